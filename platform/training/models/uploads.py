"""What silos upload for their orders."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from training.models.orders import Order


class Upload(models.Model):
    """The one artefact that a grant of an order brings in, named before its first byte is kept.

    An answer may name it once it is finished. Its row goes when its order waits for no answer any more.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, db_index=False, related_name="uploads")
    name = models.CharField(max_length=40)
    """The output of the order for which it comes."""
    digest = models.CharField(max_length=80, db_index=True)
    size_bytes = models.BigIntegerField()
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="upload_size_not_negative"),
            models.UniqueConstraint(fields=["order", "name"], name="upload_once_an_order_and_name"),
        ]

    def __str__(self) -> str:
        return f"upload of {self.name} for {self.order_id}"
