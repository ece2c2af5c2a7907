"""A training plan as somebody uploaded it."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from federation.learning.models.plan import PlanSpecification
from federation.protocol.digests import DIGEST_PATTERN
from rest.names import NameField


class TrainingPlan(models.Model):
    """One Python file that a consortium may train with: its bytes, the hash that names it, and what it declares.

    It is never changed and never deleted: jobs, agreements and reviews name it by its hash. `proposed_at` is when
    somebody asked the members' stewards to read it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey("consortia.Consortium", on_delete=models.PROTECT, related_name="plans")
    digest = models.CharField(max_length=80)
    title = NameField(max_length=200)
    source = models.BinaryField()
    declaration = models.JSONField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-uploaded_at", "id")
        constraints = (
            models.UniqueConstraint(
                name="plan_once_a_consortium",
                fields=("consortium", "digest"),
                violation_error_code="plan.known",
                violation_error_message="This file is here already.",
            ),
            models.CheckConstraint(name="plan_digest_known", condition=Q(digest__regex=DIGEST_PATTERN)),
            models.CheckConstraint(
                name="plan_proposed_by_iff_proposed",
                condition=Q(proposed_at__isnull=True, proposed_by__isnull=True)
                | Q(proposed_at__isnull=False, proposed_by__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def text(self) -> str:
        """The source as people read it."""
        return bytes(self.source).decode()

    @property
    def model(self) -> dict[str, Any]:
        """The specification of the model that a job under this plan has."""
        return {"family": "plan", "parameters": self.declaration["parameters"]}

    @property
    def specification(self) -> PlanSpecification:
        """The same, read."""
        return PlanSpecification.model_validate(self.model)

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved."""
        return f"plan-{self.digest.removeprefix('sha256:')[:12]}.py"
