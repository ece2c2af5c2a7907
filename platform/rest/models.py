"""Answers that were given once and are given again to anyone who repeats the request."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder


class IdempotencyKey(models.Model):
    """What a person's request with an `Idempotency-Key` was answered; written in the transaction that did the work."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=500)
    request_digest = models.CharField(max_length=64)
    response_status = models.PositiveSmallIntegerField()
    response_body = models.JSONField(null=True, encoder=JSONEncoder)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="idempotency_key_unique", fields=("user", "key", "method", "path")),
        )
        indexes = (models.Index(name="idempotency_key_created", fields=("created_at",)),)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"
