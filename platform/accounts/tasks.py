"""The workers' door of accounts."""

from smtplib import SMTPException
from uuid import UUID

from celery import shared_task

from accounts import emails
from accounts.housekeeping import delete_expired

# The mail server is away or busy: again after 10 s, 20 s, … and for the last time after some two hours.
_AWAY = (OSError, SMTPException)
_BACKOFF_S, _BACKOFF_MAX_S, _RETRIES = 10, 1800, 10


@shared_task(name="accounts.tasks.forget")
def forget() -> None:
    """Every hour. Missed, doubled or cut off, the next one does it."""
    delete_expired()


@shared_task(
    name="accounts.tasks.send_welcome",
    autoretry_for=_AWAY,
    retry_backoff=_BACKOFF_S,
    retry_backoff_max=_BACKOFF_MAX_S,
    max_retries=_RETRIES,
)
def send_welcome(user_id: str) -> None:
    """Doubled, there are two e-mails and either address works. Lost, an administrator asks for another."""
    emails.send_welcome(UUID(user_id))


@shared_task(
    name="accounts.tasks.send_password_reset",
    autoretry_for=_AWAY,
    retry_backoff=_BACKOFF_S,
    retry_backoff_max=_BACKOFF_MAX_S,
    max_retries=_RETRIES,
)
def send_password_reset(user_id: str) -> None:
    """Doubled, there are two e-mails and either address works. Lost, the person asks again."""
    emails.send_password_reset(UUID(user_id))
