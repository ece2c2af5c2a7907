"""Data sets that grow tenfold: shown, and counted only once a steward of their organisation has confirmed it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from audit.actions import record
from audit.actors import Actor
from rest.errors import Conflict
from silos.models import Dataset

TIMES = 10
LEAST = 10
"""Below this many rows nothing is reported about them, so that a factor of them would say nothing."""


def counted(earlier: Dataset | None, rows_coarse: int) -> dict[str, int | None]:
    """What a registration does to a data set's rows: those that count, those last confirmed, those to be confirmed.

    The first word of a data set stands as confirmed. What is held against later ones is what was confirmed last, not
    what counts: else a data set would grow ninefold again and again.
    """
    if earlier is None:
        return {"rows_coarse": rows_coarse, "rows_confirmed": rows_coarse, "rows_pending": None}
    if rows_coarse >= TIMES * max(earlier.rows_confirmed, LEAST):
        return {"rows_pending": rows_coarse}
    return {"rows_coarse": rows_coarse, "rows_pending": None}


def confirm_rows(*, dataset: Dataset, rows_coarse: int, by: Actor) -> Dataset:
    """Let the figure that waits count in jobs that begin from now on; `rows_coarse` is the one that was looked at.

    Raises Conflict ``dataset.rows_not_pending`` where none waits, ``dataset.rows_changed`` where another one does.
    """
    with transaction.atomic():
        locked = Dataset.objects.select_for_update(of=("self",)).select_related("silo__organisation").get(id=dataset.id)
        if locked.rows_pending is None:
            raise Conflict("dataset.rows_not_pending", "No number of rows waits to be confirmed.")
        if locked.rows_pending != rows_coarse:
            raise Conflict(
                "dataset.rows_changed", "The silo has registered another number of rows since. Look at it again."
            )
        before = locked.rows_coarse
        locked.rows_coarse = locked.rows_confirmed = rows_coarse
        locked.rows_pending = None
        locked.save(update_fields=["rows_coarse", "rows_confirmed", "rows_pending"])
        record(
            by=by,
            verb="dataset.rows_confirmed",
            subject=locked,
            organisation_id=locked.silo.organisation_id,
            detail={"name": locked.name, "before": before, "rows": rows_coarse},
        )
    return locked


def growth_waiting_for(user: User) -> QuerySet[Dataset]:
    """The data sets whose growth a person may confirm."""
    return (
        Dataset.objects.select_related("silo__organisation")
        .filter(
            rows_pending__isnull=False, silo__organisation__in=organisations_where(user, Permission.DATASET_CONFIRM)
        )
        .order_by("silo__organisation__name", "title", "id")
    )
