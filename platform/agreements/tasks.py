"""The workers' door of agreements."""

from celery import shared_task

from agreements.actions.expiry import settle_all
from audit.actors import System


@shared_task(name="agreements.tasks.settle")
def settle() -> None:
    """Every few seconds. Missed, doubled or cut off, the next one does it."""
    settle_all(by=System("sweep"))
