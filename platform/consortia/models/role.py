"""What a person is in a consortium."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.permissions import CONSORTIUM_ROLES
from consortia.models.consortium import Consortium


class ConsortiumRole(models.Model):
    """A role that a person holds in one consortium, whatever organisation they come from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consortium_roles")
    consortium = models.ForeignKey(Consortium, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in CONSORTIUM_ROLES])
    granted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("consortium", "user", "role")
        constraints = (
            models.UniqueConstraint(
                name="consortium_role_unique",
                fields=("consortium", "user", "role"),
                violation_error_code="role.held_already",
                violation_error_message="This person holds this role already.",
            ),
            models.CheckConstraint(
                name="consortium_role_known",
                condition=models.Q(role__in=[role.value for role in CONSORTIUM_ROLES]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.consortium}"
