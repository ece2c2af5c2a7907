"""Sign-ins that failed, kept for as long as they slow down the next."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class SignInFailure(models.Model):
    """A wrong password: for whom (a digest, as it may be anything that was typed) and from where.

    Kept in PostgreSQL, so that guessing stays slow while Redis is away.
    """

    id = models.BigAutoField(primary_key=True)
    email_digest = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            models.Index(name="sign_in_failure_email", fields=("email_digest", "at")),
            models.Index(name="sign_in_failure_address", fields=("address", "at")),
            models.Index(name="sign_in_failure_at", fields=("at",)),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} from {self.address}"
