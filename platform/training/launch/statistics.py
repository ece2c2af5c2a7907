"""Whether the columns of which a job asks can be pooled, and whether its datasets still answer today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC

from django.utils import timezone
from django.utils.translation import gettext as _

from federation.errors import Invalid
from federation.protocol.documents import Terms
from federation.statistics.columns import ColumnShape, columns_of, disagreements
from federation.statistics.disclosure import MINIMUM_CELL_LEAST
from silos.models import Dataset
from silos.selectors import declaration_of
from training.launch.agreed_defaults import limits_under
from training.launch.requests import JobRequest
from training.models import CohortMember, Order
from training.transitions import OrderState

PER_DAY = "statistics.per_day"


def check_statistics(asked: JobRequest, datasets: Sequence[Dataset], terms: Terms | None) -> None:
    """Raise Invalid for what a job of statistics can't ask.

    Codes: ``statistics.unknown_column``; ``statistics.edges_differ``, with the column and the silos;
    ``statistics.minimum_cell`` for another than the agreement's; ``statistics.minimum_cell_least`` for one that would
    hide nothing; ``statistics.per_day`` where a silo has said today
    that its dataset answers no more. Nothing for other jobs.
    """
    if asked.statistics is None:
        return
    if asked.limits.minimum_cell < MINIMUM_CELL_LEAST:
        message = _("Statistics need a minimum cell size of %(least)s at least.") % {"least": MINIMUM_CELL_LEAST}
        raise Invalid("statistics.minimum_cell_least", message, "limits.minimum_cell")
    usual = limits_under(terms).minimum_cell
    if asked.limits.minimum_cell > usual:  # a smaller one the agreement refuses
        message = _(
            "Statistics use the agreement's minimum cell size, %(usual)s: two sizes together would disclose rows."
        )
        raise Invalid("statistics.minimum_cell", message % {"usual": usual}, "limits.minimum_cell")
    declared = [(dataset.silo.name, columns_of(declaration_of(dataset))) for dataset in datasets]
    for place, column in enumerate(asked.statistics.columns):
        lacking = [silo for silo, shapes in declared if column not in shapes]
        if lacking:
            message = _("%(silos)s: no column “%(column)s” that has statistics.")
            raise Invalid(
                "statistics.unknown_column",
                message % {"column": column, "silos": ", ".join(lacking)},
                f"statistics.columns.{place}",
            )
    for one in disagreements(asked.statistics.columns, declared):
        message = _("The silos cut “%(column)s” differently: %(first)s otherwise than %(others)s.")
        named = {"column": one.column, "first": one.silos[0], "others": ", ".join(one.silos[1:])}
        place = asked.statistics.columns.index(one.column)
        raise Invalid("statistics.edges_differ", message % named, f"statistics.columns.{place}")
    if spent := _spent_today(datasets):
        message = _("Asked for statistics too often today; they answer again from 00:00 UTC on: %(silos)s.")
        raise Invalid(PER_DAY, message % {"silos": ", ".join(spent)}, "datasets")


def poolable_columns(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """The columns that all of these have, cut alike, in the first one's order."""
    if not datasets:
        return ()
    declared = [(dataset.silo.name, columns_of(declaration_of(dataset))) for dataset in datasets]
    shared = [name for name in declared[0][1] if all(name in shapes for _silo, shapes in declared)]
    differ = {one.column for one in disagreements(shared, declared)}
    return tuple(name for name in shared if name not in differ)


def shapes_of(dataset: Dataset) -> Mapping[str, ColumnShape]:
    """The columns of one dataset of which statistics can be asked."""
    return columns_of(declaration_of(dataset))


def _spent_today(datasets: Sequence[Dataset]) -> list[str]:
    """The silos that have refused for their day's number of jobs of this dataset, today by UTC."""
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    refused = Order.objects.filter(code=PER_DAY, state=OrderState.REFUSED, answered_at__gte=midnight)
    cohort_members = CohortMember.objects.filter(dataset__in=datasets)
    jobs = {
        (cohort_member.job_id, cohort_member.silo_id)
        for cohort_member in cohort_members.filter(job__in=refused.values("job"))
    }
    spent = set(refused.filter(silo__in=[one.silo_id for one in datasets]).values_list("job_id", "silo_id")) & jobs
    silos = {silo_id for _job, silo_id in spent}
    return [dataset.silo.name for dataset in datasets if dataset.silo_id in silos]
