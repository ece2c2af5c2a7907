"""Roles that wait for the word of the person to whom they are offered."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.organisation import Organisation
from accounts.permissions import ORGANISATION_ROLES


class OfferAnswer(models.TextChoices):
    """How an offer ended."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class RoleOffer(models.Model):
    """A role that somebody was offered where they are not at home; it gives them nothing until they accept it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="%(class)ss")
    offered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    offered_at = models.DateTimeField(default=timezone.now, editable=False)
    answer = models.CharField(max_length=10, choices=OfferAnswer.choices, blank=True, editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True
        ordering = ("-offered_at", "id")
        constraints: ClassVar[tuple[models.BaseConstraint, ...]] = (
            models.CheckConstraint(
                name="%(class)s_answered_at_iff_answer",
                condition=models.Q(answer="", answered_at__isnull=True)
                | models.Q(answer__in=OfferAnswer.values, answered_at__isnull=False),
            ),
        )


class OrganisationRoleOffer(RoleOffer):
    """A role in an organisation that is not the person's home."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="role_offers")
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in ORGANISATION_ROLES])

    class Meta(RoleOffer.Meta):
        constraints: ClassVar[tuple[models.BaseConstraint, ...]] = (
            *RoleOffer.Meta.constraints,
            models.UniqueConstraint(
                name="organisation_role_offer_one_open",
                fields=("organisation", "user", "role"),
                condition=models.Q(answer=""),
                violation_error_code="role_offer.open",
                violation_error_message="This person has been offered this role already.",
            ),
            models.CheckConstraint(
                name="organisation_role_offer_role_known",
                condition=models.Q(role__in=[role.value for role in ORGANISATION_ROLES]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.organisation} offers {self.user} to be {self.role}"
