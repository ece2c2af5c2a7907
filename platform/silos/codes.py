"""Enrolment codes: what is kept of them, and whether one can still be used."""

from __future__ import annotations

import hashlib

from django.utils import timezone

from rest.errors import Conflict, Gone, NotFound
from silos.models import EnrolmentCode


def hash_of(code: str) -> bytes:
    """All that is kept of a code. Case and hyphens don't matter."""
    return hashlib.sha256(code.strip().upper().replace("-", "").encode()).digest()


def check_usable(row: EnrolmentCode | None) -> EnrolmentCode:
    """Raise NotFound, Conflict or Gone ``enrolment.code_unknown|code_used|code_expired`` unless it can be used now."""
    if row is None:
        raise NotFound("enrolment.code_unknown", "No enrolment code reads like this. Check it, or make a new one.")
    if row.used_at is not None:
        raise Conflict("enrolment.code_used", "This code was used before. Make a new one on the silo's page.")
    if row.expires_at <= timezone.now():
        raise Gone("enrolment.code_expired", "This code has expired. Make a new one on the silo's page.")
    return row
