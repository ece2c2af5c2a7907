"""How a version came to its terms: every wording, and what was stated about the clauses."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Organisation
from agreements.models.version import AgreementVersion, digest_of_terms


class Revision(models.Model):
    """A wording of a version: the draft as it was first, and every counter-proposal. None is changed afterwards."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(AgreementVersion, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    terms = models.JSONField()
    note = models.TextField(max_length=2000, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("version", "number")
        constraints = (
            models.UniqueConstraint(
                name="agreement_revision_numbered_once",
                fields=("version", "number"),
                violation_error_code="agreement.changed_meanwhile",
                violation_error_message="Somebody else has just changed the terms. Look, then try again.",
            ),
        )

    def __str__(self) -> str:
        return f"wording {self.number} of {self.version}"

    @property
    def terms_digest(self) -> str:
        """Which wording this is."""
        return digest_of_terms(self.terms)


class Comment(models.Model):
    """What somebody says about a clause while it is negotiated."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(AgreementVersion, on_delete=models.CASCADE, related_name="comments")
    clause = models.CharField(max_length=40)
    revision = models.PositiveIntegerField()
    text = models.TextField(max_length=4000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("at", "id")
        indexes = (models.Index(name="agreement_comment_version", fields=("version", "at")),)

    def __str__(self) -> str:
        return f"on {self.clause} of {self.version}"
