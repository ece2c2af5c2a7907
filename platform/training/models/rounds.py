"""Rounds and their steps."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from registry.models import ModelVersion
from training.models.jobs import Job
from training.models.moving import MovingQuerySet
from training.transitions import ROUND, STEP, RoundState, StepState
from training.waiting import BelowQuorum, CloseReason, Wait


class RoundQuerySet(MovingQuerySet["Round", RoundState]):
    """Rounds; their state changes by `move` alone."""

    table = ROUND


class Round(models.Model):
    """One exchange with the cohort over one global model. A round that was abandoned is tried again as a new attempt.

    It is the list of steps that its protocol names (`training.protocols`); they are opened one after the other.
    """

    State = RoundState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=RoundState, default=RoundState.OPEN)
    reason_code = models.CharField(max_length=80, blank=True)
    base_version = models.ForeignKey("registry.ModelVersion", null=True, on_delete=models.PROTECT, related_name="+")
    """The global model that it starts from; None in a job that is about no model."""
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    update_norm_l2 = models.FloatField(null=True)
    updates_deleted_at = models.DateTimeField(null=True)

    objects = RoundQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["job", "number", "attempt"]
        indexes: ClassVar = [
            # what housekeeping asks every minute, of all rounds that there ever were
            models.Index(fields=["opened_at"], condition=Q(updates_deleted_at=None), name="round_updates_kept")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number", "attempt"], name="round_attempt_once"),
            models.UniqueConstraint(fields=["job"], condition=Q(state="open"), name="round_one_open_a_job"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="round_closed_at_iff_over",
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number} of {self.job_id}"

    @property
    def version(self) -> ModelVersion:
        """The global model that it starts from. Raises LookupError where it is about none."""
        if self.base_version is None:
            raise LookupError(f"{self} is about no model.")
        return self.base_version


class StepQuerySet(MovingQuerySet["Step", StepState]):
    """Steps; their state changes by `move` alone, and by the statements in `engine.sql`."""

    table = STEP


class Step(models.Model):
    """One kind of order to everybody in a round, with its own quorum and deadline. Masks add steps, not states.

    The worker that closes it holds its lease, and renews that while it works.
    """

    State = StepState

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=20)
    """As documents name it: a kind that is added needs no migration."""
    state = models.CharField(max_length=12, choices=StepState, default=StepState.COLLECTING)
    quorum = models.PositiveIntegerField()
    below_quorum = models.CharField(
        max_length=8, choices=BelowQuorum, default=BelowQuorum.ABANDON, db_default=BelowQuorum.ABANDON
    )
    """What happens when its time is over and the quorum has not answered."""
    expected = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    deadline_at = models.DateTimeField(db_index=True)
    aggregating_at = models.DateTimeField(null=True)
    """When a worker first took it for closing."""
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=10, choices=CloseReason, blank=True, default="", db_default="")
    """Why it took no further answers; empty while it does, and of steps from before this was noted."""
    wait = models.CharField(max_length=10, choices=Wait, default=Wait.ALL, db_default=Wait.ALL)
    usual_s = models.FloatField(null=True)
    """Seconds that silos usually took in the rounds before; null where nothing was known."""
    grace_min_s = models.FloatField(default=0.0, db_default=0.0)
    """How long it is waited at least after the quorum has answered, where it is waited adaptively."""
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_renewed = models.BooleanField(default=False, db_default=False)
    """Whether the present holder of the lease has renewed it: then it was at work, and is not held against the step."""
    claims = models.PositiveSmallIntegerField(default=0, db_default=0)
    """How often it was taken for closing, but for those whose holder had renewed its lease."""
    claims_renewed = models.PositiveSmallIntegerField(default=0, db_default=0)
    """How often it was taken over from somebody who had renewed the lease."""

    objects = StepQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["round", "position"]
        indexes: ClassVar = [
            models.Index(fields=["state"], condition=Q(state__in=["collecting", "aggregating"]), name="step_under_way")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["round", "position"], name="step_once_a_position"),
            models.UniqueConstraint(
                fields=["round"],
                condition=Q(state__in=["collecting", "aggregating"]),
                name="step_one_under_way_a_round",
            ),
            models.CheckConstraint(
                condition=Q(state="aggregating", lease__isnull=False, lease_until__isnull=False)
                | (~Q(state="aggregating") & Q(lease__isnull=True, lease_until__isnull=True)),
                name="step_lease_iff_aggregating",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["closed", "abandoned"], closed_at__isnull=False)
                | (~Q(state__in=["closed", "abandoned"]) & Q(closed_at__isnull=True)),
                name="step_closed_at_iff_over",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.round_id}"
