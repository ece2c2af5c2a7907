"""What must hold of the store's folder. Asked by `manage.py check --deploy`, and by web and workers as they start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from artefacts.locks import Unprovable, locks_hold

log = logging.getLogger(__name__)
_HINT = (
    "Put BLOB_ROOT on a local disk, or on a network file system with locks that hold between machines "
    "(NFS 4 without local_lock, Lustre with -o flock, CephFS). See docs/operator.md."
)


@register(Tags.files, deploy=True)
def check_locks(**_: Any) -> list[CheckMessage]:
    """Two processes must not get one lock of the store at once."""
    root = Path(settings.BLOB_ROOT)
    if not root.is_dir():
        return []  # an image is checked before there is a store
    try:
        if locks_hold(root):
            return []
    except Unprovable as error:
        return [Warning(f"The locks of {root} could not be tried out: {error}", hint=_HINT, id="artefacts.W002")]
    message = f"The locks of {root} do not hold: two processes got one at the same moment, and files may be lost."
    return [Warning(message, hint=_HINT, id="artefacts.W001")]


def log_unsafe_locks() -> None:
    """Say in the log what the check says, as a process starts."""
    for found in check_locks():
        log.warning("%s %s %s", found.id, found.msg, found.hint)
