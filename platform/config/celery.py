"""The Celery application of the workers and of beat."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("consilience")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["training.engine"])


@worker_ready.connect
def try_locks(**_: object) -> None:
    """Say in the log where the store's locks don't hold."""
    from artefacts.checks import log_unsafe_locks  # settings must be there

    log_unsafe_locks()


@task_postrun.connect
def return_connection(sender: Any, **_: object) -> None:
    """Give the database connection back to the pool, which tests it before it gives it out again.

    A connection that was kept for the next task would be kept when the server behind it is gone: every task of that
    process or thread would fail, long after the database is back.
    """
    from django.db import close_old_connections  # settings must be there

    if not sender.request.is_eager:  # else it is the caller's, within the caller's transaction
        close_old_connections()
