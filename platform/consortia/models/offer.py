"""Roles in consortia that wait for the word of the person to whom they are offered."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import RoleOffer
from accounts.permissions import CONSORTIUM_ROLES
from consortia.models.consortium import Consortium


class ConsortiumRoleOffer(RoleOffer):
    """A role in a consortium, which is nobody's home: each is offered."""

    consortium = models.ForeignKey(Consortium, on_delete=models.CASCADE, related_name="role_offers")
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in CONSORTIUM_ROLES])

    class Meta(RoleOffer.Meta):
        constraints: ClassVar[tuple[models.BaseConstraint, ...]] = (
            *RoleOffer.Meta.constraints,
            models.UniqueConstraint(
                name="consortium_role_offer_one_open",
                fields=("consortium", "user", "role"),
                condition=models.Q(answer=""),
                violation_error_code="role_offer.open",
                violation_error_message="This person has been offered this role already.",
            ),
            models.CheckConstraint(
                name="consortium_role_offer_role_known",
                condition=models.Q(role__in=[role.value for role in CONSORTIUM_ROLES]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.consortium} offers {self.user} to be {self.role}"
