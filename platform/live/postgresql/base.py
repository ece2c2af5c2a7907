"""Django's connection to PostgreSQL, with a loader of moments that costs a tenth.

Django's own takes each apart by a regular expression; a page of a long job reads thousands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import TimestamptzLoader


class MomentLoader(TimestamptzLoader):
    """Moments as PostgreSQL writes them for a client that counts in UTC: `2026-01-31 12:00:00.5+00`."""

    timezone = UTC
    """What Django asks of a loader: whether it agrees with the connection."""

    def load(self, data: Any) -> datetime:
        """The moment. What Python has no date for, such as infinity, is refused as psycopg would."""
        text = bytes(data).decode()
        if not text.endswith("+00"):
            return super().load(data).astimezone(UTC)
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return super().load(data).astimezone(UTC)


@cache
def _adapters(template: AdaptersMap) -> AdaptersMap:
    adapters = AdaptersMap(template)
    adapters.register_loader("timestamptz", MomentLoader)
    return adapters


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection as Django makes it, but for the loader."""

    def get_connection_params(self) -> dict[str, Any]:
        """Also once for a whole pool."""
        parameters = super().get_connection_params()
        if self.timezone == UTC:
            parameters["context"] = _adapters(parameters["context"])
        return parameters
