"""A member's word that nothing more is to be done under an agreement at its silos."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation


class Suspension(models.Model):
    """An organisation suspends an agreement, all its versions, for itself: from `at` until it is lifted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey("consortia.Consortium", on_delete=models.PROTECT, related_name="suspensions")
    agreement_id = models.UUIDField()
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=2000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("-at", "id")
        constraints = (
            models.UniqueConstraint(
                name="agreement_suspended_once",
                fields=("agreement_id", "organisation"),
                condition=Q(lifted_at__isnull=True),
                violation_error_code="agreement.suspended_already",
                violation_error_message="Your organisation has suspended this agreement already.",
            ),
            models.CheckConstraint(
                name="agreement_suspension_lifted_by_iff_lifted",
                condition=Q(lifted_at__isnull=True, lifted_by__isnull=True)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.organisation} suspends {self.agreement_id}"
