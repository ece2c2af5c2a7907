"""The workers' door of accounts."""

from celery import shared_task

from accounts.housekeeping import forget_expired


@shared_task(name="accounts.tasks.forget")
def forget() -> None:
    """Every hour. Missed, doubled or cut off, the next one does it."""
    forget_expired()
