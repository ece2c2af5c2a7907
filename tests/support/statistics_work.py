"""Played silos that really count: with rows of a file, and with the connector's own code up to what leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artefacts import store
from federation.protocol import documents
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.successions import KeyChain
from federation.statistics.report import REPORT, encode_report
from silo_connector.trainer.data.common_columns import CommonColumns, load_common
from silo_connector.trainer.egress.filter import StatisticsBounds, sign_if_allowed
from silo_connector.trainer.kinds.statistics import report_of, validate_statistics_order
from silo_connector.trainer.orders.verification import Trust, open_manifest
from silos import datasets
from tests.support.federation import ENVIRONMENT, TEST, Federation, PlayedSilo, registration, uploaded
from training.engine import answers, closing, issuing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING


@dataclass(frozen=True)
class CountingSilo:
    """A played silo with the rows of its file."""

    played: PlayedSilo
    declaration: DatasetDeclaration
    columns: CommonColumns

    def carry_out(self, order: Order, minimum_cell: int | None = None, payload: bytes | None = None) -> bytes:
        """What the connector answers, signed; its report has come in then. `payload` is used in its place."""
        document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
        job, played = order.round.job, self.played
        platform = KeyChain(issuing.signing_key().public)
        trust = Trust(played.silo.id, platform, played.identity.public, played.signatory.public)
        manifest = open_manifest(document, bytes(job.manifest or b""), trust)
        task = validate_statistics_order(document, manifest, trust, {self.declaration.name: self.declaration})
        cell = minimum_cell or manifest.limits.minimum_cell
        content = payload or encode_report(report_of(task.shapes, self.columns, cell))
        reported = documents.Payload(kind="statistics.v1", digest=digest_bytes(content), size_bytes=len(content))
        submission = documents.Submission(
            order_id=document.order_id,
            number=document.number,
            kind=document.kind,
            silo_id=document.silo_id,
            job_id=document.job_id,
            manifest_digest=document.manifest_digest,
            round=document.round,
            attempt=document.attempt,
            model_digest=None,
            payloads={REPORT: reported},
            environment=ENVIRONMENT,
            created_at=documents.now(),
        )
        folder = store.new_folder()
        file = folder / "report"
        file.write_bytes(content)
        if payload is None:
            bounds = StatisticsBounds(document.kind, task.shapes, cell, manifest.protection, document.outputs)
            sealed = sign_if_allowed(submission, played.identity, bounds, {REPORT: file})
        else:
            sealed = documents.sign_document(submission, played.identity)
        store.commit_file(file, digest_bytes(content), is_named=True)
        uploaded(order, digest_bytes(content), len(content), REPORT)
        store.remove_folder(folder)
        return sealed


def bring_columns(played: PlayedSilo, declared: dict[str, Any], file: Path) -> CountingSilo:
    """The silo registers a dataset as it is declared, and has read all rows of this file."""
    declaration = parse_declaration(declared)
    played.dataset = datasets.register(registration=registration(played, 300, **declared), by=played.silo)
    return CountingSilo(played, declaration, load_common(declaration, file))


def asked_for(federation: Federation, *columns: str, **changes: Any) -> dict[str, Any]:
    """A launch request for statistics of these columns over all silos."""
    asked = federation.request(task="statistics", statistics={"columns": list(columns)}, **changes)
    return {name: value for name, value in asked.items() if name not in ("model", "strategy", "local", "rounds")}


def begin(federation: Federation, *columns: str, **changes: Any) -> tuple[Job, list[Order]]:
    """Launch and start a job of statistics; its open orders."""
    request = asked_for(federation, *columns, **changes)
    job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job, list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))


def count_through(federation: Federation, silos: list[CountingSilo], *columns: str, **changes: Any) -> Job:
    """Launch a job of statistics over these silos and let them carry it out to its end."""
    job, orders = begin(federation, *columns, **changes)
    for order in orders:
        silo = next(one for one in silos if one.played.silo.id == order.silo_id)
        answers.answer(document=silo.carry_out(order), by=silo.played.silo)
    if orders:
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    return job
