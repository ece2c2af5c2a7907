"""The workers' door of agreements."""

from celery import shared_task

from agreements.actions.expiry import update_all_states
from audit.actors import System


@shared_task(name="agreements.tasks.settle")
def settle() -> None:
    """Every few seconds. Missed, doubled or cut off, the next one does it."""
    update_all_states(by=System("sweep"))
