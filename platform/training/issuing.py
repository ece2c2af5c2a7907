"""Documents of the platform: manifests and orders, made and signed. Only a worker holds the key for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from artefacts import grants
from federation.protocol import documents
from federation.protocol.documents import OrderKind
from federation.protocol.keys import PrivateKey
from registry.models import ModelVersion
from silos.models import Silo
from training.models import CohortSeat, Job, Order, Round, Step
from training.requests import local_of
from training.statements.orders import next_order_numbers

UPLOAD_MARGIN_BYTES = 1 << 16
"""An update is as large as the model, give or take its header."""
GRACE = timedelta(seconds=30)
"""An order expires a little after its step's deadline: who answers in between is told that it is late."""


@cache
def signing_key() -> PrivateKey:
    """The platform's key. Raises ImproperlyConfigured in a process that has none, as web must not."""
    if not settings.PLATFORM_SIGNING_KEY_FILE:
        raise ImproperlyConfigured("This process signs nothing: PLATFORM_SIGNING_KEY_FILE is for workers only.")
    return PrivateKey.load(Path(settings.PLATFORM_SIGNING_KEY_FILE))


def manifest_of(job: Job, version: ModelVersion, *, created_at: datetime) -> documents.Manifest:
    """What the job is, in full, as it will be signed."""
    asked, model = job.request, version.model
    cohort = job.seats.select_related("silo__organisation", "silo__signatory_key", "dataset").order_by("position")
    return documents.Manifest.model_validate(
        {
            "job_id": job.id,
            "consortium_id": job.consortium_id,
            "name": job.name,
            "launched_by": str(job.launched_by_id),
            "task": job.task,
            "purpose": asked["purpose"],
            "model": model.specification,
            "n_features": model.n_features,
            "n_classes": model.n_classes,
            "layout": model.layout,
            "initial_model_digest": version.digest,
            "strategy": asked["strategy"],
            "local": local_of(asked),
            "rounds": job.rounds_planned,
            "quorum": job.quorum,
            "round_deadline_s": job.round_deadline_s,
            "protection": asked["protection"],
            "limits": asked["limits"],
            "seed": asked["seed"],
            "cohort": [_member(seat) for seat in cohort],
            "created_at": created_at,
        }
    )


def _member(seat: CohortSeat) -> dict[str, object]:
    silo = seat.silo
    assert silo.identity is not None
    assert silo.signatory_key is not None
    return {
        "silo_id": silo.id,
        "organisation": silo.organisation.name,
        "silo": silo.name,
        "dataset_id": seat.dataset_id,
        "dataset": seat.dataset.name,
        "schema_digest": seat.dataset.schema_digest,
        "identity_key": silo.identity.encoded,
        "signatory_key": silo.signatory_key.key.encoded,
    }


def issue(*, round_: Round, step: Step, version: ModelVersion, silos: Sequence[Silo]) -> list[Order]:
    """One signed order for each silo, numbered in that silo's own row. Part of the transaction that opens the step."""
    job, key, now = round_.job, signing_key(), documents.now()
    expires_at = step.deadline_at + GRACE
    expires_at_s = int(expires_at.timestamp())
    numbers = next_order_numbers([silo.id for silo in silos])
    model = documents.BlobReference(
        digest=version.digest,
        size_bytes=version.size_bytes,
        url=grants.download_url(version.digest, expires_at_s=expires_at_s),
    )
    orders: list[Order] = []
    for silo in silos:
        order_id = uuid4()
        size_max = version.size_bytes + UPLOAD_MARGIN_BYTES
        document = documents.Order(
            order_id=order_id,
            number=numbers[silo.id],
            kind=OrderKind(step.kind),
            silo_id=silo.id,
            job_id=job.id,
            manifest_digest=job.manifest_digest,
            round=round_.number,
            attempt=round_.attempt,
            model=model,
            upload=documents.UploadGrant(
                size_bytes_max=size_max,
                url=grants.upload_url(order_id, size_bytes_max=size_max, expires_at_s=expires_at_s),
            )
            if step.kind == OrderKind.TRAIN
            else None,
            issued_at=now,
            expires_at=expires_at,
        )
        orders.append(
            Order(
                id=order_id,
                step=step,
                silo=silo,
                kind=step.kind,
                number=document.number,
                envelope=documents.seal(document, key),
                issued_at=now,
                expires_at=expires_at,
            )
        )
    Order.objects.bulk_create(orders)
    return orders
