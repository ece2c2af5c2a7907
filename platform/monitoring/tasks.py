"""The workers' doors: notices are gathered and sent every few seconds. The rows are the truth."""

from celery import shared_task

from audit.actors import System
from monitoring import actions, deliveries

MONITOR = System("monitoring")


@shared_task(name="monitoring.tasks.notify", soft_time_limit=300, time_limit=330)
def notify() -> None:
    """Make what is to be reported, and send what is due."""
    actions.gather(by=MONITOR)
    deliveries.deliver_due(by=MONITOR)
