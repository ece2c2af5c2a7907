"""Browser sessions, kept in PostgreSQL; a cookie that can be no key of ours never reaches it."""

from __future__ import annotations

import re

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(db.SessionStore):
    """Django's, but for a stricter look at the key: one with a NUL in it would be an error of the database."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and _KEY.fullmatch(key) is not None
