"""Django's connection to PostgreSQL, with a loader of moments that costs a tenth, and an end to forgotten transactions.

Django's own takes each moment apart by a regular expression; a page of a long job reads thousands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import TimestamptzLoader

IDLE_IN_TRANSACTION_MAX = "15min"
"""A transaction in which nothing happens for so long is ended by the server: event streams wait for one that wrote an
event (`audit.following`), and its locks for nobody. Longer than a task may take (`CELERY_TASK_TIME_LIMIT`)."""


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
    """A connection as Django makes it, but for the loader and that end."""

    def get_connection_params(self) -> dict[str, Any]:
        """Also once for a whole pool."""
        parameters = super().get_connection_params()
        if self.timezone == UTC:
            parameters["context"] = _adapters(parameters["context"])
        return parameters

    def _configure_connection(self, connection: Any) -> bool:
        """Once for each connection to the server. Whether there is something to commit."""
        super()._configure_connection(connection)  # type: ignore[misc]
        connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_MAX}'")
        return True
