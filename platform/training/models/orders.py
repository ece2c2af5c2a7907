"""Orders to silos, and what silos answered."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from audit.reasons import reason_text
from federation.protocol.documents import OrderKind
from training.models.jobs import Job
from training.models.moving import MovingQuerySet
from training.models.rounds import Round, Step
from training.transitions import MISSED, ORDER, OUTSTANDING, OrderState

STEPLESS = (OrderKind.CHECKPOINT, OrderKind.RESERVE, OrderKind.RELEASE)
"""Kinds of order that belong to no step of a round."""


class OrderQuerySet(MovingQuerySet["Order", OrderState]):
    """Orders; their state changes by `move` alone, and by the statements in `engine.sql`."""

    table = ORDER


class Order(models.Model):
    """What one silo is to do, signed and once-only. Its state reports how far the silo has come with it.

    Nearly all belong to a step of a round. Those of a job's beginning and end belong to no step, and those of the audit
    log to no job.
    """

    State = OrderState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="orders")
    step = models.ForeignKey(Step, null=True, on_delete=models.CASCADE, related_name="orders")
    audit_checkpoint = models.ForeignKey(
        "audit.Checkpoint", null=True, db_index=False, on_delete=models.PROTECT, related_name="+"
    )
    """The head of the audit log that is to be countersigned."""
    base_version = models.ForeignKey(
        "registry.ModelVersion", null=True, db_index=False, on_delete=models.PROTECT, related_name="+"
    )
    """The global model that it brings; None where it brings none."""
    silo = models.ForeignKey("silos.Silo", on_delete=models.PROTECT, related_name="orders")
    kind = models.CharField(max_length=20)
    """As documents name it: a kind that is added needs no migration."""
    number = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=OrderState, default=OrderState.ISSUED)
    code = models.CharField(max_length=80, blank=True)
    params = models.JSONField(null=True)
    """What is in the sentence of the code (`audit.reasons`); None where there are only words, or the code alone."""
    message = models.TextField(blank=True)
    """The words of the one who wrote it: those of a refusal are the silo's own."""
    clause = models.CharField(max_length=40, blank=True, default="", db_default="")
    """The clause of the agreement by which a silo refused it."""
    envelope = models.BinaryField()
    inputs_size_bytes = models.BigIntegerField(null=True)
    """Of all that it brings. None in orders from before this was noted: they brought their global model alone."""
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    awaited = models.BooleanField(default=False, db_default=False)
    """Its round waits for it to the deadline: its silo was left out twice running."""

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["step", "silo"]
        indexes: ClassVar = [
            models.Index(
                fields=["silo"], condition=models.Q(state__in=[str(s) for s in OUTSTANDING]), name="order_outstanding"
            ),
            models.Index(
                fields=["silo", "-number"], condition=models.Q(state__in=[str(s) for s in MISSED]), name="order_missed"
            ),
            models.Index(fields=["silo"], condition=models.Q(awaited=True), name="order_awaited"),
            models.Index(
                fields=["audit_checkpoint", "silo"],
                condition=models.Q(audit_checkpoint__isnull=False),
                name="order_of_checkpoint",
            ),
            models.Index(  # what each heartbeat asks
                fields=["silo", "-ended_at"], condition=models.Q(state="rejected"), name="order_rejected"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["silo", "number"], name="order_number_once_a_silo"),
            models.UniqueConstraint(fields=["step", "silo"], name="order_once_a_step_and_silo"),
            models.CheckConstraint(
                condition=Q(kind=OrderKind.CHECKPOINT.value, audit_checkpoint__isnull=False, job=None)
                | ~Q(kind=OrderKind.CHECKPOINT.value) & Q(audit_checkpoint=None, job__isnull=False),
                name="order_of_a_job_or_a_checkpoint",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in STEPLESS], step=None, base_version=None)
                | ~Q(kind__in=[kind.value for kind in STEPLESS]) & Q(step__isnull=False),
                name="order_of_a_step_by_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} for {self.silo_id}"

    @property
    def message_text(self) -> str:
        """Why it came to nothing, in the reader's language; empty where nothing is known but the code."""
        return reason_text(self.code, self.params, self.message)

    @property
    def round_step(self) -> Step:
        """The step that it belongs to. Raises LookupError where it belongs to none."""
        if self.step is None:
            raise LookupError(f"{self} belongs to no step of a round.")
        return self.step

    @property
    def round(self) -> Round:
        """The round that it belongs to. Raises LookupError where it belongs to none."""
        return self.round_step.round


class RefusalDocument(models.Model):
    """A silo's signed refusal of an order, as it came: evidence that it was refused, by whom and why."""

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.CASCADE, related_name="refusal")
    document = models.BinaryField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"refusal of {self.order_id}"


class Submission(models.Model):
    """A silo's signed answer to an order, as it came; the bytes stay what they were."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="submission")
    document = models.BinaryField()
    document_digest = models.CharField(max_length=80)
    payload_size_bytes = models.BigIntegerField(default=0)
    """Of all that came with it (`Payload`)."""
    rows = models.BigIntegerField(default=0)
    steps = models.BigIntegerField(default=0)
    train_loss = models.FloatField(null=True)
    update_norm_l2 = models.FloatField(null=True)
    update_cosine = models.FloatField(null=True)
    phases_s = models.JSONField(default=dict)
    connector_version = models.CharField(max_length=200)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"submission to {self.order_id}"


class Payload(models.Model):
    """An artefact that came with an answer, under the name that the order has for it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, db_index=False, related_name="payloads")
    name = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)
    digest = models.CharField(max_length=80, db_index=True)
    size_bytes = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "name"], name="payload_once_an_order_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.order_id}"


class Evaluation(models.Model):
    """How a global model did on one silo's own test rows."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="evaluation")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.PROTECT, related_name="evaluations")
    silo = models.ForeignKey("silos.Silo", on_delete=models.PROTECT, related_name="+")
    rows = models.BigIntegerField()
    figures = models.JSONField(default=dict)
    """By the names that the model's target has for them; what was withheld is not there."""
    suppressed = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["version", "silo"]

    def __str__(self) -> str:
        return f"{self.version} at {self.silo}"
