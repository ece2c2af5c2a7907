"""The workers' door of accounts."""

from smtplib import SMTPException
from uuid import UUID

from celery import shared_task

from accounts import letters
from accounts.housekeeping import forget_expired

# The mail server is away or busy: again after 10 s, 20 s, … and for the last time after some two hours.
_WHILE_AWAY = {
    "autoretry_for": (OSError, SMTPException),
    "retry_backoff": 10,
    "retry_backoff_max": 1800,
    "retry_jitter": True,
    "max_retries": 10,
}


@shared_task(name="accounts.tasks.forget")
def forget() -> None:
    """Every hour. Missed, doubled or cut off, the next one does it."""
    forget_expired()


@shared_task(name="accounts.tasks.send_welcome", **_WHILE_AWAY)
def send_welcome(user_id: str) -> None:
    """Doubled, there are two letters and either address works. Lost, an administrator asks for another."""
    letters.send_welcome(UUID(user_id))


@shared_task(name="accounts.tasks.send_password_reset", **_WHILE_AWAY)
def send_password_reset(user_id: str) -> None:
    """Doubled, there are two letters and either address works. Lost, the person asks again."""
    letters.send_password_reset(UUID(user_id))
