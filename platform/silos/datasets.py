"""What a silo registers about the data that it holds."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audit.actions import record
from audit.actors import Actor
from federation.errors import Invalid, Untrusted
from federation.protocol.documents import DatasetRegistration, open_sealed
from rest.errors import Conflict
from silos.models import Dataset, Silo


def register(*, registration: bytes, by: Silo) -> Dataset:
    """Take a dataset's description, signed by the silo's identity key; a newer one replaces the older."""
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    said = open_sealed(DatasetRegistration, registration, [by.identity])
    if said.silo_id != by.id:
        raise Invalid("dataset.other_silo", "The registration is another silo's.", "silo_id")
    declaration = said.declaration
    if said.schema_digest != declaration.schema_digest:
        raise Invalid("dataset.schema_digest", "The schema digest is not that of the declaration.", "schema_digest")
    with transaction.atomic():
        earlier = Dataset.objects.select_for_update().filter(silo=by, name=declaration.name).order_by("pk").first()
        if earlier is not None and earlier.registered_at > said.registered_at:
            return earlier
        values = {
            "title": declaration.title,
            "description": declaration.description,
            "declaration": declaration.model_dump(mode="json"),
            "registration": registration,
            "schema_digest": said.schema_digest,
            "n_features": len(declaration.features()),
            "n_classes": declaration.n_classes,
            "rows_coarse": said.rows_coarse,
            "registered_at": said.registered_at,
            "withdrawn_at": None,
        }
        dataset, _ = Dataset.objects.update_or_create(silo=by, name=declaration.name, defaults=values)
        record(
            by=by,
            verb="dataset.registered",
            subject=dataset,
            organisation_id=by.organisation_id,
            detail={"name": dataset.name, "schema": dataset.schema_digest},
        )
    return dataset


def withdraw(*, dataset: Dataset, by: Actor) -> Dataset:
    """Offer the dataset no longer; running jobs go on, new ones can't name it.

    Raises Conflict ``dataset.withdrawn_already``.
    """
    with transaction.atomic():
        locked = Dataset.objects.select_for_update(of=("self",)).select_related("silo__organisation").get(id=dataset.id)
        if locked.withdrawn_at is not None:
            raise Conflict("dataset.withdrawn_already", "This dataset has been withdrawn already.")
        locked.withdrawn_at = timezone.now()
        locked.save(update_fields=["withdrawn_at"])
        record(by=by, verb="dataset.withdrawn", subject=locked, organisation_id=locked.silo.organisation_id)
    return locked
