"""What wakes those who wait: PostgreSQL notices, sent on commit by whoever changed something."""

from uuid import UUID

from django.db import connection

ORDERS = "consilience_orders"
JOBS = "consilience_jobs"
"""Sent by the trigger on audit events."""


def notify(channel: str, subjects: list[UUID]) -> None:
    """Wake whoever waits for any of these subjects: one statement."""
    if subjects:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, subject) FROM unnest(%s::text[]) AS subject",
                [channel, [str(s) for s in subjects]],
            )
