"""Rounds and their steps."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from federation.protocol.documents import OrderKind
from training.models.jobs import Job
from training.transitions import IN_PROGRESS, RoundState
from training.waiting import CloseReason, Wait


class Round(models.Model):
    """One exchange with the cohort over one global model. A round that was given up is tried again as a new attempt."""

    State = RoundState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=RoundState, default=RoundState.COLLECTING)
    reason_code = models.CharField(max_length=80, blank=True)
    base_version = models.ForeignKey("registry.ModelVersion", on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    aggregating_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=10, choices=CloseReason, blank=True, default="", db_default="")
    """Why it took no further answers; empty while it does, and of rounds from before this was noted."""
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    claims = models.PositiveSmallIntegerField(default=0)
    update_norm_l2 = models.FloatField(null=True)
    updates_deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["job", "number", "attempt"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number", "attempt"], name="round_attempt_once"),
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(state__in=[str(state) for state in IN_PROGRESS]),
                name="round_one_open_a_job",
            ),
            models.CheckConstraint(
                condition=Q(state="aggregating", lease__isnull=False, lease_until__isnull=False)
                | (~Q(state="aggregating") & Q(lease__isnull=True, lease_until__isnull=True)),
                name="round_lease_iff_aggregating",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["closed", "abandoned"], closed_at__isnull=False)
                | (~Q(state__in=["closed", "abandoned"]) & Q(closed_at__isnull=True)),
                name="round_closed_at_iff_over",
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number} of {self.job_id}"


class Step(models.Model):
    """One kind of order to everybody in a round, with its own quorum and deadline. Masks add steps, not states."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in OrderKind])
    quorum = models.PositiveIntegerField()
    expected = models.PositiveIntegerField()
    deadline_at = models.DateTimeField(db_index=True)
    wait = models.CharField(max_length=10, choices=Wait, default=Wait.ALL, db_default=Wait.ALL)
    usual_s = models.FloatField(null=True)
    """Seconds that silos usually took in the rounds before; null where nothing was known."""
    grace_min_s = models.FloatField(default=0.0, db_default=0.0)
    """How long it is waited at least after the quorum has answered, where it is waited adaptively."""

    class Meta:
        ordering: ClassVar = ["round", "position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["round", "position"], name="step_once_a_position")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.round_id}"
