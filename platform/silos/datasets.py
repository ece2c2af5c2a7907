"""What a silo registers about the data that it holds, and whether they are on offer."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from audit.actions import record
from audit.actors import Actor
from federation.errors import Invalid, Untrusted
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import DatasetRegistration, DatasetWithdrawal, verify_document
from federation.protocol.documents.base import Network
from federation.protocol.rows import coarse
from rest.errors import Conflict
from rest.names import as_one_line
from silos.growth import counted
from silos.models import Dataset, Silo

D = TypeVar("D", DatasetRegistration, DatasetWithdrawal)


def register(*, registration: bytes, by: Silo) -> Dataset:
    """Take a dataset's description, signed by the silo's identity key; a newer one replaces the older.

    It says what the data are, not whether they are on offer: a person's withdrawal stays.
    """
    statement = _opened(DatasetRegistration, registration, by)
    declaration = statement.declaration
    if statement.schema_digest != declaration.schema_digest:
        raise Invalid("dataset.schema_digest", "The schema digest is not that of the declaration.", "schema_digest")
    if statement.rows_coarse != coarse(statement.rows_coarse):
        raise Invalid("dataset.rows_coarse", "Row counts have two significant digits.", "rows_coarse")
    with transaction.atomic():
        earlier = Dataset.objects.select_for_update().filter(silo=by, name=declaration.name).order_by("pk").first()
        if earlier is not None and earlier.registered_at > statement.registered_at:
            return earlier
        values: dict[str, object] = {
            "title": as_one_line(declaration.title) or declaration.name,
            "description": declaration.description,
            "declaration": _as_understood(declaration),
            "registration": registration,
            "schema_digest": statement.schema_digest,
            "n_features": len(declaration.features()),
            "n_classes": declaration.n_classes,
            "target": declaration.target.kind or "",
            **counted(earlier, statement.rows_coarse),
            "registered_at": statement.registered_at,
        }
        if earlier is not None and _offers_again(earlier, statement):
            values |= {"withdrawn_at": None, "withdrawn_by_silo": False}
        _note_network(by, statement.network)
        dataset, _ = Dataset.objects.update_or_create(silo=by, name=declaration.name, defaults=values)
        record(
            by=by,
            verb="dataset.registered",
            subject=dataset,
            organisation_id=by.organisation_id,
            detail={
                "name": dataset.name,
                "schema": dataset.schema_digest,
                "offered": dataset.withdrawn_at is None,
                "rows": statement.rows_coarse,
            },
        )
        if dataset.rows_pending is not None and (earlier is None or earlier.rows_pending != dataset.rows_pending):
            record(
                by=by,
                verb="dataset.grew",
                subject=dataset,
                organisation_id=by.organisation_id,
                detail={"name": dataset.name, "before": dataset.rows_confirmed, "rows": dataset.rows_pending},
            )
    return dataset


def _as_understood(declaration: DatasetDeclaration) -> dict[str, Any]:
    """What is kept to be read again: without fields of a later version. The signed bytes have them."""
    reported = declaration.model_dump(mode="json")
    understood: dict[str, Any] = DatasetDeclaration.model_validate(reported, extra="ignore").model_dump(mode="json")
    return understood


def _note_network(silo: Silo, network: Network | None) -> None:
    """Keep what the trainer says of its network, and write down when it says something else than before."""
    stated = network or ""
    if Silo.objects.filter(id=silo.id).exclude(trainer_network=stated).update(trainer_network=stated):
        silo.trainer_network = stated
        detail = {"name": silo.name, "network": stated or "not said"}
        record(by=silo, verb="silo.network_stated", subject=silo, organisation_id=silo.organisation_id, detail=detail)


def _offers_again(earlier: Dataset, statement: DatasetRegistration) -> bool:
    """Whether the silo takes its own withdrawal back. What a person has withdrawn only a person can offer again."""
    return (
        earlier.withdrawn_by_silo
        and earlier.withdrawn_at is not None
        and earlier.withdrawn_at <= statement.registered_at
    )


def accept_withdrawal(*, withdrawal: bytes, by: Silo) -> Dataset | None:
    """The silo, signing, declares a dataset no longer: it is offered no more until the silo declares it again.

    None when the platform knows no such dataset. What a person has withdrawn stays withdrawn by that person; what was
    declared after this was signed is offered.
    """
    statement = _opened(DatasetWithdrawal, withdrawal, by)
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().filter(silo=by, name=statement.name).order_by("pk").first()
        if dataset is None or dataset.registered_at > statement.withdrawn_at:
            return dataset
        if dataset.withdrawn_at is not None:
            if dataset.withdrawn_by_silo and dataset.withdrawn_at < statement.withdrawn_at:
                dataset.withdrawn_at = statement.withdrawn_at  # no registration before this one offers it again
                dataset.save(update_fields=["withdrawn_at"])
            return dataset
        dataset.withdrawn_at, dataset.withdrawn_by_silo = statement.withdrawn_at, True
        dataset.save(update_fields=["withdrawn_at", "withdrawn_by_silo"])
        record(
            by=by,
            verb="dataset.withdrawn",
            subject=dataset,
            organisation_id=by.organisation_id,
            detail={"name": dataset.name, "by_silo": True},
        )
    return dataset


def withdraw(*, dataset: Dataset, by: Actor) -> Dataset:
    """Offer the dataset no longer, whatever its silo registers; running jobs go on, new ones can't name it.

    Raises Conflict ``dataset.withdrawn_already``, unless it was the silo that withdrew it: then it now stays withdrawn.
    """
    with transaction.atomic():
        locked = _locked(dataset)
        if locked.withdrawn_at is not None and not locked.withdrawn_by_silo:
            raise Conflict("dataset.withdrawn_already", "This dataset has been withdrawn already.")
        locked.withdrawn_at, locked.withdrawn_by_silo = timezone.now(), False
        locked.save(update_fields=["withdrawn_at", "withdrawn_by_silo"])
        record(by=by, verb="dataset.withdrawn", subject=locked, organisation_id=locked.silo.organisation_id)
    return locked


def offer_again(*, dataset: Dataset, by: Actor) -> Dataset:
    """Take a person's withdrawal back: new jobs can name the dataset again.

    Raises Conflict ``dataset.not_withdrawn``, and ``dataset.withdrawn_by_silo`` where the silo doesn't declare it.
    """
    with transaction.atomic():
        locked = _locked(dataset)
        if locked.withdrawn_at is None:
            raise Conflict("dataset.not_withdrawn", "This dataset is on offer: it isn't withdrawn.")
        if locked.withdrawn_by_silo:
            raise Conflict(
                "dataset.withdrawn_by_silo",
                "Its silo declares this dataset no longer. It is offered again when silo IT puts it back into "
                "connector.toml.",
            )
        locked.withdrawn_at = None
        locked.save(update_fields=["withdrawn_at"])
        record(by=by, verb="dataset.offered", subject=locked, organisation_id=locked.silo.organisation_id)
    return locked


def _locked(dataset: Dataset) -> Dataset:
    return Dataset.objects.select_for_update(of=("self",)).select_related("silo__organisation").get(id=dataset.id)


def _opened(kind: type[D], document: bytes, by: Silo) -> D:
    """What the silo signed with its identity key, about itself."""
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    parsed = verify_document(kind, document, [by.identity])
    if parsed.silo_id != by.id:
        raise Invalid("dataset.other_silo", "The document is about another silo.", "silo_id")
    return parsed
