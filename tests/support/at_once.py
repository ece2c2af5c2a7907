"""Things that are done at the same moment, each in a thread and a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from federation.errors import FederationError


def at_once(*works: Callable[[], object]) -> list[str]:
    """What becomes of each when all begin at the same moment: the code of its error, or nothing."""
    ready = Barrier(len(works))

    def run(work: Callable[[], object]) -> str:
        try:
            ready.wait()
            work()
        except FederationError as error:
            return error.code
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))
