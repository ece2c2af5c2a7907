"""What a person is in an organisation."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.organisation import Organisation
from accounts.permissions import ORGANISATION_ROLES


class OrganisationRole(models.Model):
    """A role that a person holds in an organisation; anyone who holds one belongs to it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="organisation_roles")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in ORGANISATION_ROLES])
    granted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("organisation", "user", "role")
        constraints = (
            models.UniqueConstraint(
                name="organisation_role_unique",
                fields=("organisation", "user", "role"),
                violation_error_code="role.held_already",
                violation_error_message="This person holds this role already.",
            ),
            models.CheckConstraint(
                name="organisation_role_known",
                condition=models.Q(role__in=[role.value for role in ORGANISATION_ROLES]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.organisation}"
