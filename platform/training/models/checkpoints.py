"""Orders of no job: to countersign the head of an audit chain."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models


class CheckpointOrder(models.Model):
    """A head of a chain for one silo to countersign, signed and once-only; kept by it, or refused with a code."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    silo = models.ForeignKey("silos.Silo", on_delete=models.PROTECT, related_name="+")
    checkpoint = models.ForeignKey("audit.Checkpoint", on_delete=models.PROTECT, related_name="orders")
    number = models.BigIntegerField()
    envelope = models.BinaryField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=80, blank=True, default="")
    """Why the silo refused it."""
    refusal = models.BinaryField(null=True)
    """The silo's signed refusal, as it came: evidence that what it countersigned before was another record."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["silo"], condition=models.Q(answered_at=None), name="checkpoint_order_open")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["silo", "number"], name="checkpoint_order_number_once"),
            models.CheckConstraint(
                condition=models.Q(code="", refusal=None)
                | models.Q(answered_at__isnull=False, refusal__isnull=False) & ~models.Q(code=""),
                name="checkpoint_order_refused_with_a_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint_id} for {self.silo_id}"
