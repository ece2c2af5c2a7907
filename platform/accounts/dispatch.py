"""E-mails that the workers send, asked for when the present transaction commits. A lost one is asked for again."""

from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction

SEND_WELCOME = "accounts.tasks.send_welcome"
SEND_PASSWORD_RESET = "accounts.tasks.send_password_reset"  # noqa: S105 - the name of a task


def send_welcome(user_id: UUID) -> None:
    """Somebody has an account and no password yet."""
    _on_commit(SEND_WELCOME, user_id)


def send_password_reset(user_id: UUID) -> None:
    """Somebody has forgotten their password."""
    _on_commit(SEND_PASSWORD_RESET, user_id)


def _on_commit(task: str, user_id: UUID) -> None:
    if not settings.EMAIL_CONFIGURED:
        return

    def send() -> None:
        current_app.send_task(task, args=[str(user_id)], retry=False)

    # robust: a broker that is away must not undo or fail what the database has
    transaction.on_commit(send, robust=True)
