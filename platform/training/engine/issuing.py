"""Documents of the platform: manifests and orders, made and signed. Only a worker holds the key for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from federation.errors import Invalid, Transient
from federation.protocol import documents
from federation.protocol.keys import PrivateKey
from federation.tasks import task_of
from registry.models import ModelVersion
from silos.successions import has_successor
from training.engine.deadlines import StepDeadlines
from training.engine.kinds import step_kind
from training.engine.sql.opening import IssuedOrder
from training.engine.sql.orders import next_order_numbers
from training.launch.cohorts import cohort_of, share_agreed_in
from training.models import Job, Round


def signing_key() -> PrivateKey:
    """The platform's key. Raises ImproperlyConfigured in a process that has none, as web must not.

    Once a key has a successor nothing is signed with it any more, since trainers would refuse it: the file is read
    again, and raises Transient ``key.retired`` while it holds the old one.
    """
    file = settings.PLATFORM_SIGNING_KEY_FILE
    if not file:
        raise ImproperlyConfigured("This process signs nothing: PLATFORM_SIGNING_KEY_FILE is for workers only.")
    key = _load(file)
    if has_successor(key.public):
        _load.cache_clear()
        key = _load(file)
        if has_successor(key.public):
            raise Transient(
                "key.retired",
                f"{file} holds the key {key.public.key_id}, which has a successor. Put the new key there and restart "
                "the worker; nothing is lost meanwhile.",
            )
    return key


@cache
def _load(file: str) -> PrivateKey:
    return PrivateKey.load(Path(file))


def manifest_of(job: Job, version: ModelVersion | None, *, created_at: datetime) -> documents.Manifest:
    """What the job is, in full, as it will be signed."""
    asked = job.request
    cohort_members = job.cohort_members.select_related(
        "dataset__silo__organisation", "dataset__silo__signatory_key"
    ).order_by("position")
    cohort, weighting = cohort_of(
        [cohort_member.dataset for cohort_member in cohort_members], share_agreed_in(job.agreement)
    )
    return documents.Manifest.model_validate(
        {
            "job_id": job.id,
            "consortium_id": job.consortium_id,
            "name": job.name,
            "launched_by": str(job.launched_by_id),
            "task": job.task,
            "purpose": asked["purpose"],
            "use": asked.get("use"),
            "agreement_digest": job.agreement.digest if job.agreement else None,
            "rounds": job.rounds_planned,
            "quorum": job.quorum,
            "round_deadline_s": job.round_deadline_s,
            "wait": job.wait,
            "protection": asked["protection"],
            "limits": asked["limits"],
            "seed": asked["seed"],
            "weighting": weighting,
            "cohort": cohort,
            "created_at": created_at,
            **step_kind(task_of(job.task).order_kind).in_manifest(job, version),
        }
    )


def issue(*, round_: Round, kind: str, deadlines: StepDeadlines, silo_ids: Sequence[UUID]) -> list[IssuedOrder]:
    """One signed order for each silo, numbered in that silo's own row. Part of the transaction that opens the step."""
    key, of_kind = signing_key(), step_kind(kind)
    numbers = next_order_numbers(silo_ids)
    orders: list[IssuedOrder] = []
    for silo_id in silo_ids:
        order_id = uuid4()
        document = documents.Order(
            order_id=order_id,
            number=numbers[silo_id],
            kind=kind,
            silo_id=silo_id,
            job_id=round_.job_id,
            manifest_digest=round_.job.manifest_digest,
            round=round_.number,
            attempt=round_.attempt,
            issued_at=deadlines.opened_at,
            expires_at=deadlines.expires_at,
            **of_kind.issue(round_, order_id, deadlines),
        )
        _check_parameters(document, of_kind.parameters)
        orders.append(
            IssuedOrder(
                order_id,
                silo_id,
                document.number,
                documents.sign_document(document, key),
                brings_model=document.model_digest is not None,
                inputs_size_bytes=sum(brought.size_bytes for brought in document.inputs.values()),
            )
        )
    return orders


def _check_parameters(order: documents.Order, known: frozenset[str]) -> None:
    """Raise Invalid ``order.parameters`` for an order that every silo would refuse for what it has besides."""
    unknown = sorted(order.parameters.keys() - known)
    if unknown:
        message = f"Orders of kind {order.kind} have no parameter {unknown[0]!r}."
        raise Invalid("order.parameters", message, "parameters")
