"""Who stands by a version: a person's approval in the browser, and an organisation's signature made on premises."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation
from agreements.models.version import AgreementVersion
from federation.protocol.keys import KEY_ID_PATTERN


class Via(models.TextChoices):
    """By which door a signature came."""

    CONNECTOR = "connector"
    BROWSER = "browser"
    API = "api"


class Approval(models.Model):
    """A steward's word, after showing again who they are, that the organisation means to sign these bytes.

    It binds nobody: only the signature does. That there was one, and whose it was, is kept beside it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(AgreementVersion, on_delete=models.CASCADE, related_name="approvals")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=80)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.UniqueConstraint(
                name="agreement_approval_once",
                fields=("version", "organisation", "user"),
                violation_error_code="agreement.approved_already",
                violation_error_message="You have approved this version already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} approves {self.version}"


class Signature(models.Model):
    """An organisation's signature on a version, as an envelope with this one signature over the version's bytes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(AgreementVersion, on_delete=models.CASCADE, related_name="signatures")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    key_id = models.CharField(max_length=40)
    envelope = models.BinaryField()
    received_at = models.DateTimeField(default=timezone.now)
    received_via = models.CharField(max_length=10, choices=Via.choices)

    class Meta:
        ordering = ("received_at", "id")
        constraints = (
            models.UniqueConstraint(name="agreement_signature_once", fields=("version", "key_id")),
            models.CheckConstraint(name="agreement_signature_key_id", condition=Q(key_id__regex=KEY_ID_PATTERN)),
            models.CheckConstraint(name="agreement_signature_via_known", condition=Q(received_via__in=Via.values)),
        )

    def __str__(self) -> str:
        return f"{self.organisation} signs {self.version}"
