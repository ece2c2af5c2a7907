"""What wakes those who wait: PostgreSQL notices, sent on commit by the one who changed something."""

from uuid import UUID

from realtime import database

ORDERS = "consilience_orders"
JOBS = "consilience_jobs"
"""Sent by the trigger on audit events."""


_NOTIFY = "SELECT pg_notify(%(channel)s, subject::text) FROM unnest(%(subjects)s::uuid[]) AS subject"


def notify(channel: str, subjects: list[UUID]) -> None:
    """Wake anyone who waits for any of these subjects: one statement."""
    if subjects:
        database.fetch(_NOTIFY, {"channel": channel, "subjects": subjects})
