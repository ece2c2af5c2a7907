"""Orders to silos, and what silos answered."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from federation.protocol.documents import OrderKind
from training.models.rounds import Step
from training.transitions import MISSED, OUTSTANDING, OrderState


class Order(models.Model):
    """One step for one silo, signed and once-only. Its state tells how far the silo has come with it."""

    State = OrderState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="orders")
    silo = models.ForeignKey("silos.Silo", on_delete=models.PROTECT, related_name="orders")
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in OrderKind])
    number = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=OrderState, default=OrderState.ISSUED)
    code = models.CharField(max_length=80, blank=True)
    message = models.TextField(blank=True)
    clause = models.CharField(max_length=40, blank=True, default="", db_default="")
    """The clause of the agreement by which a silo refused it."""
    envelope = models.BinaryField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    awaited = models.BooleanField(default=False, db_default=False)
    """Its round waits for it to the deadline: its silo was left out twice running."""

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
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["silo", "number"], name="order_number_once_a_silo"),
            models.UniqueConstraint(fields=["step", "silo"], name="order_once_a_step_and_silo"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} for {self.silo_id}"


class KeptRefusal(models.Model):
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
    payload_digest = models.CharField(max_length=80, blank=True, db_index=True)
    payload_size_bytes = models.BigIntegerField(default=0)
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
