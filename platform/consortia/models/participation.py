"""An organisation's place in a consortium, and the invitations that led to it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Organisation
from consortia.models.consortium import Consortium
from consortia.transitions import ParticipationState


class Participation(models.Model):
    """Where an organisation stands in a consortium: one row for each pair, whatever came and went."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey(Consortium, on_delete=models.PROTECT, related_name="participations")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="participations")
    state = models.CharField(max_length=10, choices=ParticipationState.choices)
    joined_at = models.DateTimeField(null=True, editable=False)
    left_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("consortium", "organisation")
        constraints = (
            models.UniqueConstraint(name="participation_unique", fields=("consortium", "organisation")),
            models.CheckConstraint(
                name="participation_state_known", condition=models.Q(state__in=ParticipationState.values)
            ),
            models.CheckConstraint(
                name="participation_joined_if_active",
                condition=~models.Q(state__in=(ParticipationState.ACTIVE, ParticipationState.LEFT))
                | models.Q(joined_at__isnull=False),
            ),
            models.CheckConstraint(
                name="participation_left_at_iff_left",
                condition=models.Q(state=ParticipationState.LEFT, left_at__isnull=False)
                | (~models.Q(state=ParticipationState.LEFT) & models.Q(left_at__isnull=True)),
            ),
        )
        indexes = (models.Index(name="participation_organisation", fields=("organisation", "state")),)

    def __str__(self) -> str:
        return f"{self.organisation} in {self.consortium}: {self.state}"


class InvitationAnswer(models.TextChoices):
    """How an invitation ended."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Invitation(models.Model):
    """A consortium's word to an organisation that it may join; answered once, by one of its people."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="invitations")
    message = models.TextField(max_length=2000, blank=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    answer = models.CharField(max_length=10, choices=InvitationAnswer.choices, blank=True, editable=False)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-invited_at", "id")
        constraints = (
            models.UniqueConstraint(
                name="invitation_one_open", fields=("participation",), condition=models.Q(answer="")
            ),
            models.CheckConstraint(
                name="invitation_answered_at_iff_answer",
                condition=models.Q(answer="", answered_at__isnull=True)
                | models.Q(answer__in=InvitationAnswer.values, answered_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.participation.consortium} invites {self.participation.organisation}"
