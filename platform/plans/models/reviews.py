"""Who stands by a plan: a person's word in the browser, and an organisation's review, signed on premises."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from federation.protocol.digests import DIGEST_PATTERN
from federation.protocol.keys import KEY_ID_PATTERN
from plans.models.plan import TrainingPlan
from rest.names import NameField


class Verdict(models.TextChoices):
    """What a reviewer says of a plan."""

    APPROVED = "approved", _("approved")
    REFUSED = "refused", _("refused")


class Via(models.TextChoices):
    """By which door a signed review came."""

    CONNECTOR = "connector"
    BROWSER = "browser"
    API = "api"


class CodeApproval(models.Model):
    """A steward's word on a plan, after showing again who they are. The newest of a person is the one that holds.

    It lets nothing run: only what the organisation signs on premises does. Whose word it was is kept beside it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plan = models.ForeignKey(TrainingPlan, on_delete=models.PROTECT, related_name="approvals")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    note = models.TextField(max_length=4000, blank=True)
    shown_by = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.CheckConstraint(name="code_approval_verdict_known", condition=Q(verdict__in=Verdict.values)),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.verdict}"


class SignedReview(models.Model):
    """A reviewer's word on code of this hash, sealed by the organisation's signatory key, as it came.

    It is about the file and no single consortium: trainers count it wherever a job names that hash.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    code_digest = models.CharField(max_length=80, db_index=True)
    key_id = models.CharField(max_length=40)
    reviewer = NameField(max_length=200)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    note = models.TextField(max_length=4000, blank=True)
    reviewed_at = models.DateTimeField()
    envelope = models.BinaryField()
    payload_digest = models.CharField(max_length=80)
    received_at = models.DateTimeField(default=timezone.now)
    received_via = models.CharField(max_length=10, choices=Via.choices)

    class Meta:
        ordering = ("reviewed_at", "id")
        constraints = (
            models.UniqueConstraint(name="signed_review_once", fields=("organisation", "payload_digest")),
            models.CheckConstraint(name="signed_review_digest_known", condition=Q(code_digest__regex=DIGEST_PATTERN)),
            models.CheckConstraint(name="signed_review_key_id", condition=Q(key_id__regex=KEY_ID_PATTERN)),
            models.CheckConstraint(name="signed_review_verdict_known", condition=Q(verdict__in=Verdict.values)),
            models.CheckConstraint(name="signed_review_via_known", condition=Q(received_via__in=Via.values)),
        )

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.verdict}"
