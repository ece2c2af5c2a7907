"""What silos upload for their orders."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from training.models.orders import Order


class Upload(models.Model):
    """The one artefact that an order's grant brings in, named before its first byte is kept.

    An answer may name it once it is finished. Its row goes when its order waits for no answer any more.
    """

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.CASCADE, related_name="upload")
    digest = models.CharField(max_length=80, db_index=True)
    size_bytes = models.BigIntegerField()
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="upload_size_not_negative")
        ]

    def __str__(self) -> str:
        return f"upload for {self.order_id}"
