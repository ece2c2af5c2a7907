"""A key for programs that act for a person."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from rest.names import NameField

PREFIX = "cns_"


class Scope(models.TextChoices):
    """What a token lets a program do, within what its owner may do."""

    ACCOUNT_READ = "account:read"
    ORGANISATIONS_READ = "organisations:read"
    ORGANISATIONS_WRITE = "organisations:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    CONSORTIA_READ = "consortia:read"
    CONSORTIA_WRITE = "consortia:write"
    SILOS_READ = "silos:read"
    SILOS_WRITE = "silos:write"
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    AGREEMENTS_READ = "agreements:read"
    AGREEMENTS_WRITE = "agreements:write"
    PLANS_READ = "plans:read"
    PLANS_WRITE = "plans:write"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    MODELS_READ = "models:read"
    MODELS_WRITE = "models:write"
    EVENTS_READ = "events:read"


class ApiToken(models.Model):
    """A bearer token of a person, of which only the SHA-256 is kept.

    It is found by the hash of what was presented. No constant-time comparison is needed: the token has 256 random
    bits, and what the index's timing could reveal is about the hash of a guess, from which no better guess follows.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = NameField(max_length=100)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope.choices), size=len(Scope))
    factor_shown = models.BooleanField(
        default=False, editable=False, help_text="Whether the session that made it had shown the second factor."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(name="api_token_digest_unique", fields=("digest",)),
            models.CheckConstraint(name="api_token_digest_sha256", condition=models.Q(digest__regex=r"^[0-9a-f]{64}$")),
            models.CheckConstraint(
                name="api_token_expires_later", condition=models.Q(expires_at__gt=models.F("created_at"))
            ),
            models.CheckConstraint(name="api_token_has_scope", condition=models.Q(scopes__len__gt=0)),
        )

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_secret() -> str:
        """What is shown once: the prefix and 256 random bits."""
        return PREFIX + secrets.token_urlsafe(32)

    @staticmethod
    def digest_of(secret: str) -> str:
        """What is kept of it."""
        return hashlib.sha256(secret.encode()).hexdigest()

    def is_usable(self, at: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and at < self.expires_at

    @classmethod
    def touch(cls, token_id: uuid.UUID, stale_before: datetime) -> None:
        """Note that it was used, unless that was noted lately."""
        cls.objects.filter(pk=token_id).filter(
            models.Q(last_used_at__isnull=True) | models.Q(last_used_at__lt=stale_before)
        ).update(last_used_at=Now())
