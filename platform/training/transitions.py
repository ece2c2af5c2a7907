"""Which state of a job, a round, a step or an order may follow which. Pure: tables, and two questions.

The tables rule: every statement that changes a state takes the states that it may come from out of them (`sources`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class JobState(TextChoices):
    """The life of a job (DESIGN, 5)."""

    DRAFT = "draft", _("draft")
    RESERVING = "reserving", _("reserving budget")
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class RoundState(TextChoices):
    """The life of a round. How far an open one has come, its steps say."""

    OPEN = "open", _("open")
    CLOSED = "closed", _("closed")
    ABANDONED = "abandoned", _("abandoned")


class StepState(TextChoices):
    """The life of a step of a round: it collects answers, then a worker closes it."""

    COLLECTING = "collecting", _("collecting")
    AGGREGATING = "aggregating", _("aggregating")
    CLOSED = "closed", _("closed")
    ABANDONED = "abandoned", _("abandoned")


class OrderState(TextChoices):
    """The life of an order."""

    ISSUED = "issued", _("issued")
    DELIVERED = "delivered", _("delivered")
    ACCEPTED = "accepted", _("at work")
    REFUSED = "refused", _("refused by the silo")
    SUBMITTED = "submitted", _("submitted")
    APPLIED = "applied", _("counted")
    REJECTED = "rejected", _("rejected")
    LATE = "late", _("late")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")


JOB: Mapping[JobState, frozenset[JobState]] = {
    JobState.DRAFT: frozenset({JobState.RESERVING, JobState.QUEUED, JobState.CANCELLED}),
    JobState.RESERVING: frozenset({JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.PAUSED, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}),
    JobState.PAUSED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
ROUND: Mapping[RoundState, frozenset[RoundState]] = {
    RoundState.OPEN: frozenset({RoundState.CLOSED, RoundState.ABANDONED}),
    RoundState.CLOSED: frozenset(),
    RoundState.ABANDONED: frozenset(),
}
STEP: Mapping[StepState, frozenset[StepState]] = {
    StepState.COLLECTING: frozenset({StepState.AGGREGATING, StepState.ABANDONED}),
    StepState.AGGREGATING: frozenset({StepState.CLOSED, StepState.ABANDONED}),
    StepState.CLOSED: frozenset(),
    StepState.ABANDONED: frozenset(),
}
_ENDS_OF_OPEN = frozenset(
    {
        OrderState.REFUSED,
        OrderState.SUBMITTED,
        OrderState.REJECTED,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
    }
)
ORDER: Mapping[OrderState, frozenset[OrderState]] = {
    # accepted at once: the note that it was delivered was lost with a crash, and its silo says that it has it
    OrderState.ISSUED: frozenset({OrderState.DELIVERED, OrderState.ACCEPTED}) | _ENDS_OF_OPEN,
    OrderState.DELIVERED: frozenset({OrderState.ACCEPTED}) | _ENDS_OF_OPEN,
    OrderState.ACCEPTED: _ENDS_OF_OPEN,
    OrderState.SUBMITTED: frozenset({OrderState.APPLIED, OrderState.REJECTED, OrderState.CANCELLED}),
    OrderState.EXPIRED: frozenset({OrderState.LATE}),
    OrderState.REFUSED: frozenset(),
    OrderState.APPLIED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.LATE: frozenset(),
    OrderState.CANCELLED: frozenset(),
}

S = TypeVar("S", JobState, RoundState, StepState, OrderState)


def sources(table: Mapping[S, frozenset[S]], to: S) -> list[S]:
    """The states from which `to` can be reached."""
    return [state for state, allowed in table.items() if to in allowed]


OUTSTANDING = (OrderState.ISSUED, OrderState.DELIVERED, OrderState.ACCEPTED)
"""Orders that a silo still has to answer."""
MISSED = (OrderState.REFUSED, OrderState.REJECTED, OrderState.LATE, OrderState.EXPIRED)
"""Orders that brought the model nothing, and not because they were called back."""
RECALLED = (OrderState.CANCELLED, OrderState.EXPIRED)
"""Orders that a silo need not work on any more."""
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)
"""Jobs in which nothing will happen any more."""
UNDER_WAY = (StepState.COLLECTING, StepState.AGGREGATING)
"""Steps that are not over."""
