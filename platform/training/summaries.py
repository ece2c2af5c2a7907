"""What pages tell of many rounds at once, counted by the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Count, DecimalField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from audit.models import Event
from live import database
from training.models import Job, Order, Round, Step
from training.transitions import IN_PROGRESS, OUTSTANDING


def round_ids(job: Job) -> QuerySet[Round, UUID]:
    """The ids of a job's rounds, newest first: what a page of rounds is cut from."""
    return Round.objects.filter(job=job).order_by("-opened_at").values_list("pk", flat=True)


def round_summaries(job: Job, ids: Iterable[UUID]) -> QuerySet[Round]:
    """These rounds of a job, newest first, each with `kind`, `expected`, `answered` and `bytes_up`.

    They are counted by subqueries, which the database would also ask for the rounds before a page's first.
    """
    step = Step.objects.filter(round=OuterRef("pk")).order_by("-position")
    orders = Order.objects.filter(step__round=OuterRef("pk")).order_by().values("step__round")
    answered = orders.exclude(state__in=OUTSTANDING).annotate(count=Count("pk")).values("count")
    bytes_up = orders.annotate(size=Sum("submission__payload_size_bytes")).values("size")
    return (
        Round.objects.filter(job=job, pk__in=list(ids))
        .select_related("base_version")
        .annotate(
            kind=Subquery(step.values("kind")[:1]),
            expected=Subquery(step.values("expected")[:1]),
            answered=Coalesce(Subquery(answered), 0),
            bytes_up=Coalesce(Subquery(bytes_up), 0, output_field=DecimalField()),
        )
        .order_by("-opened_at")
    )


_MARK = f"""
    SELECT md5(row(
        (SELECT max(id) FROM audit_event WHERE job_id = %(job)s),
        (SELECT string_agg(silo.state, ',' ORDER BY silo.id) || date_trunc('minute', max(silo.last_seen_at))
         FROM training_cohortseat seat JOIN silos_silo silo ON silo.id = seat.silo_id WHERE seat.job_id = %(job)s),
        (SELECT string_agg(orders.state, ',' ORDER BY orders.silo_id, orders.number)
         FROM training_round round
         JOIN training_step step ON step.round_id = round.id
         JOIN training_order orders ON orders.step_id = step.id
         WHERE round.job_id = %(job)s AND round.state IN ({", ".join(f"'{state.value}'" for state in IN_PROGRESS)}))
    )::text)
"""  # noqa: S608 - states of ours


def mark_of(job: Job) -> str:
    """A word that is another one as soon as the job, its round or a silo has moved; when silos were seen counts by the
    minute. It costs far less than to look at all of them."""
    ((mark,),) = database.fetch(_MARK, {"job": job.id})
    return str(mark)


def newest_events(job: Job, count: int, besides: Sequence[str] = ()) -> list[Event]:
    """What happened last, some kinds of events left out."""
    return list(Event.objects.filter(job_id=job.id).exclude(verb__in=besides).order_by("-id")[:count])
