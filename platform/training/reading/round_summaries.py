"""What pages report about many rounds at once, counted by the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, DecimalField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from audit.models import Event
from realtime import database
from training.models import Job, Order, Round, Step
from training.reading.counting import Tally, tally_of
from training.transitions import RoundState, StepState
from training.waiting import CloseReason


def round_ids(job: Job) -> QuerySet[Round, UUID]:
    """The ids of a job's rounds, newest first: what a page of rounds is cut from."""
    return Round.objects.filter(job=job).order_by("-opened_at").values_list("pk", flat=True)


@dataclass(frozen=True)
class RoundSummary:
    """A round in a list, with `bytes_up`; of its last step the `kind`, its state, and what became of its orders."""

    round: Round
    tally: Tally
    kind: str
    step_state: str
    close_reason: str
    bytes_up: int

    @property
    def state_label(self) -> str:
        """How far it has come: an open one as far as its step."""
        if self.round.state == RoundState.OPEN and self.step_state:
            return str(StepState(self.step_state).label)
        return self.round.get_state_display()

    @property
    def close_reason_label(self) -> str:
        """Why it took no further answers, in words."""
        return str(CloseReason(self.close_reason).label) if self.close_reason else ""


def round_summaries(job: Job, ids: Iterable[UUID]) -> list[RoundSummary]:
    """These rounds of a job, newest first.

    They are counted by subqueries, which the database would also ask for the rounds before a page's first.
    """
    ids = list(ids)
    step = Step.objects.filter(round=OuterRef("pk")).order_by("-position")
    orders = Order.objects.filter(step__round=OuterRef("pk")).order_by().values("step__round")
    bytes_up = orders.annotate(size=Sum("submission__payload_size_bytes")).values("size")
    rounds = (
        Round.objects.filter(job=job, pk__in=ids)
        .select_related("base_version")
        .annotate(
            kind=Subquery(step.values("kind")[:1]),
            step_state=Subquery(step.values("state")[:1]),
            close_reason=Subquery(step.values("close_reason")[:1]),
            bytes_up=Coalesce(Subquery(bytes_up), 0, output_field=DecimalField()),
        )
        .order_by("-opened_at")
    )
    counts: dict[UUID, dict[str, int]] = {}
    last = Step.objects.filter(round__in=ids).order_by("round_id", "-position").distinct("round_id")
    counted = Order.objects.filter(step__in=last.values("pk")).order_by().values_list("step__round", "state")
    for round_id, state, count in counted.annotate(count=Count("pk")):
        counts.setdefault(round_id, {})[state] = count
    return [_summary(round_, tally_of(counts.get(round_.pk, {}))) for round_ in rounds]


def _summary(annotated: Any, outcomes: Tally) -> RoundSummary:
    return RoundSummary(
        round=annotated,
        tally=outcomes,
        kind=annotated.kind or "",
        step_state=annotated.step_state or "",
        close_reason=annotated.close_reason or "",
        bytes_up=int(annotated.bytes_up),
    )


_MARK = f"""
    SELECT md5(row(
        (SELECT max(id) FROM audit_event WHERE job_id = %(job)s),
        (SELECT string_agg(silo.state, ',' ORDER BY silo.id) || date_trunc('minute', max(silo.last_seen_at))
         FROM training_cohortmember member JOIN silos_silo silo ON silo.id = member.silo_id
         WHERE member.job_id = %(job)s),
        (SELECT string_agg(orders.state, ',' ORDER BY orders.silo_id, orders.number)
         FROM training_round round
         JOIN training_step step ON step.round_id = round.id
         JOIN training_order orders ON orders.step_id = step.id
         WHERE round.job_id = %(job)s AND round.state = '{RoundState.OPEN.value}')
    )::text)
"""  # noqa: S608 - states of ours


def page_etag(job: Job) -> str:
    """A word that is another one as soon as the job, its round or a silo has moved; when silos were seen counts by the
    minute. It costs far less than to look at all of them."""
    ((mark,),) = database.fetch(_MARK, {"job": job.id})
    return str(mark)


def newest_events(job: Job, count: int, besides: Sequence[str] = ()) -> list[Event]:
    """What happened last, some kinds of events left out."""
    return list(Event.objects.filter(job_id=job.id).exclude(verb__in=besides).order_by("-id")[:count])
