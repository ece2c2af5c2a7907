"""The Celery application of the workers and of beat."""

import os

from celery import Celery
from celery.signals import worker_ready

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
