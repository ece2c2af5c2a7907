"""A world that is really committed, since the application has connections of its own, and stays for a whole module.

For tests that leave it as they found it. What each of them would have to make again is made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.test import override_settings
from pytest_django import DjangoDbBlocker

from realtime import database
from tests.support.emptied import empty_database

QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@contextmanager
def committed(blocker: DjangoDbBlocker, blobs: Path) -> Iterator[None]:
    """What is written inside is there for everybody until the end, when the database is emptied."""
    with blocker.unblock(), override_settings(BLOB_ROOT=blobs, PASSWORD_HASHERS=QUICK):
        try:
            yield
        finally:
            database.close()
            empty_database()
