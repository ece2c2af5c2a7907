"""Choosing how one is spoken to."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from audit.actions import record


def choose_language(*, user: User, language: str, time_zone: str, by: User) -> None:
    """Keep a person's language and time zone; empty for what the browser and the settings say."""
    chosen = {"language": language, "time_zone": time_zone}
    with transaction.atomic():
        user.language, user.time_zone = language, time_zone
        user.save(update_fields=["language", "time_zone"])
        record(by=by, verb="user.language_chosen", subject=user, detail=chosen)
