"""Jobs and who sits in them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext

from audit.reasons import reason_text
from federation.tasks import task_of
from rest.names import NameField
from training.transitions import JobState
from training.waiting import Wait


class Job(models.Model):
    """Something that silos do together, as it was launched: train a model in rounds, evaluate one, or count."""

    State = JobState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey("consortia.Consortium", on_delete=models.PROTECT, related_name="jobs")
    name = NameField(max_length=200)
    task = models.CharField(max_length=10)
    """As `federation.tasks` names it: a task that is added needs no migration."""
    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED)
    reason_code = models.CharField(max_length=80, blank=True)
    reason_params = models.JSONField(null=True)
    """What is in the sentence of the code (`audit.reasons`); None where there are only words, or nothing to say."""
    reason = models.TextField(blank=True)
    """The words of the one who wrote it, where the code has no sentence; of rows from before, the English sentence."""
    launched_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    request = models.JSONField()
    agreement = models.ForeignKey("agreements.AgreementVersion", null=True, on_delete=models.PROTECT, related_name="+")
    model = models.ForeignKey("registry.Model", null=True, on_delete=models.PROTECT, related_name="jobs")
    evaluated_version = models.ForeignKey(
        "registry.ModelVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    manifest = models.BinaryField(null=True)
    manifest_digest = models.CharField(max_length=80, blank=True)
    rounds_planned = models.PositiveIntegerField()
    quorum = models.PositiveIntegerField()
    round_deadline_s = models.FloatField()
    wait = models.CharField(max_length=10, choices=Wait, default=Wait.ALL, db_default=Wait.ALL)
    retries_max = models.PositiveIntegerField(default=3)
    organisation_share_max = models.FloatField(null=True)
    """What one organisation weighs at most among all; None where too few take part, and in jobs from before 1.1."""
    start_claimed_until = models.DateTimeField(null=True)
    """While it is queued: how long a worker has it that makes its first model. By the database's clock."""
    start_claims = models.PositiveIntegerField(default=0, db_default=0)
    """How many workers have taken its first model and have not given it back."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["consortium", "-created_at"], name="job_of_consortium")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "reserving", "queued", "failed", "cancelled"])
                | Q(manifest__isnull=False, started_at__isnull=False),
                name="job_has_manifest_once_running",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "reserving", "queued", "failed", "cancelled"])
                | Q(model__isnull=False)
                | Q(rounds_planned=0, evaluated_version=None),
                name="job_has_model_unless_nothing_is_trained_or_evaluated",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["completed", "failed", "cancelled"], ended_at__isnull=False)
                | (~Q(state__in=["completed", "failed", "cancelled"]) & Q(ended_at__isnull=True)),
                name="job_ended_iff_at_its_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def task_title(self) -> str:
        """What it does, in the reader's language: "train"."""
        return gettext(task_of(self.task).title)

    @property
    def reason_text(self) -> str:
        """Why it came to where it is, in the reader's language; empty where there is nothing to say."""
        return reason_text(self.reason_code, self.reason_params, self.reason)


class CohortMember(models.Model):
    """One silo of a job's cohort, with the dataset that it brings."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="cohort_members")
    silo = models.ForeignKey("silos.Silo", on_delete=models.PROTECT, related_name="+")
    dataset = models.ForeignKey("silos.Dataset", on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    rows_coarse = models.BigIntegerField(null=True)
    """What the silo had registered when the job began: it is held to that. None before it begins."""
    weight_max = models.BigIntegerField(null=True)
    """The most rows with which it counts in a round."""

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "silo"], name="cohort_member_once_a_silo")]

    def __str__(self) -> str:
        return f"{self.silo} in {self.job}"

    @property
    def registered(self) -> int:
        """The rows that it had registered when the job began; before that, those that count now."""
        return self.dataset.rows_coarse if self.rows_coarse is None else self.rows_coarse
