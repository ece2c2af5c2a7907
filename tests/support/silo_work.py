"""Played silos that really work: with rows of a file, and with the connector's own code up to what leaves."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artefacts import store
from federation.agreements.shares import limits_of
from federation.protocol import documents
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from federation.protocol.documents import OrderKind
from federation.protocol.envelope import payload_unverified
from federation.protocol.successions import KeyChain
from silo_connector.trainer.data import Prepared, load
from silo_connector.trainer.egress.filter import Bounds, sign_if_allowed
from silo_connector.trainer.kinds.evaluate import validate_evaluate_order
from silo_connector.trainer.kinds.execution import execute_order, local_backend_factory
from silo_connector.trainer.kinds.train import train_model, validate_train_order
from silo_connector.trainer.orders.verification import Trust, open_manifest
from silos import datasets
from tests.support.federation import ENVIRONMENT, TEST, Federation, PlayedSilo, registration, uploaded
from training.engine import answers, closing, issuing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING


@dataclass(frozen=True)
class WorkingSilo:
    """A played silo with its rows."""

    played: PlayedSilo
    declaration: DatasetDeclaration
    rows: Prepared

    def carry_out(self, order: Order) -> bytes:
        """What the connector answers, signed; its update has come in then."""
        document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
        job, played = order.round.job, self.played
        platform = KeyChain(issuing.signing_key().public)
        trust = Trust(played.silo.id, platform, played.identity.public, played.signatory.public)
        manifest = open_manifest(document, bytes(job.manifest or b""), trust)
        here, is_training = {self.declaration.name: self.declaration}, document.kind == OrderKind.TRAIN
        validate = validate_train_order if is_training else validate_evaluate_order
        task = validate(document, manifest, trust, here)
        assert job.agreement is not None
        metrics = frozenset(job.agreement.terms["disclosure"]["metrics"])
        bounds = Bounds.of(manifest, document, manifest.limits.minimum_cell, metrics, limits_of(task.member))
        folder = store.new_folder()
        model, update = folder / "model", folder / "update"
        shutil.copy(store.path_of(document.inputs[documents.MODEL].digest), model)
        answer = execute_order(
            *(task, local_backend_factory(task), model, self.rows, update, bounds, ENVIRONMENT, {}, lambda: False),
            train_model if is_training else None,
        )
        sealed = sign_if_allowed(answer, played.identity, bounds, dict.fromkeys(answer.payloads, update))
        for name, payload in answer.payloads.items():
            store.commit_file(update, payload.digest, is_named=True)
            uploaded(order, payload.digest, payload.size_bytes, name)
        store.remove_folder(folder)
        return sealed


def bring_rows(played: PlayedSilo, declared: dict[str, Any], file: Path, rows_coarse: int) -> WorkingSilo:
    """The silo registers a dataset as it is declared, and has read the rows of this file."""
    declaration = parse_declaration(declared)
    played.dataset = datasets.register(registration=registration(played, rows_coarse, **declared), by=played.silo)
    return WorkingSilo(played, declaration, load(declaration, file))


def work_through(federation: Federation, silos: list[WorkingSilo], **changes: Any) -> Job:
    """Launch a job over these silos and let them carry it out to its end."""
    request = federation.request(**changes)
    job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)):
        for order in orders:
            silo = next(one for one in silos if one.played.silo.id == order.silo_id)
            answers.answer(document=silo.carry_out(order), by=silo.played.silo)
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    return job
