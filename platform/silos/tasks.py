"""The workers' door of silos."""

from celery import shared_task

from audit.actors import System
from silos.actions import expire_unconfirmed as expire


@shared_task(name="silos.tasks.expire_unconfirmed")
def expire_unconfirmed() -> None:
    """Every ten minutes. Missed, doubled or cut off, the next one does it."""
    expire(by=System("sweep"))
