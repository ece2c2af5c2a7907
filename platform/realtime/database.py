"""Short database work on behalf of the event loop: a thread for as long as it takes, no longer.

The few threads keep their connections: handing one back to the pool and taking it again costs more than a small query.
What waits holds neither. A connection that broke is let go, and anyone who asked may try again.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from psycopg import pq

from federation.errors import Transient

P = ParamSpec("P")
R = TypeVar("R")
THREADS = 4
_KEYWORDS = frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


class _Threads:
    """The threads, and the connections that they hold."""

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="database", initializer=self._note)
        self._held: list[object] = []

    def _note(self) -> None:
        connection.inc_thread_sharing()  # so that `close` may close it from another thread
        self._held.append(connections["default"])

    def close(self) -> None:
        self.executor.shutdown(wait=True)
        for held in self._held:
            held.close()  # type: ignore[attr-defined]


_threads = _Threads()


async def run_in_db_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a synchronous function that uses the ORM. Raises Transient ``database.unavailable`` when the database is."""
    work = partial(_run, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads.executor, work)


def libpq_parameters() -> dict[str, Any]:
    """How Django reaches the database, for connections beside its own: every option, and nothing that is Django's."""
    known = connections["default"].get_connection_params()
    return {name: value for name, value in known.items() if name in _KEYWORDS}


def fetch(statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run one statement, prepared on the server, within whatever transaction there is; the rows that it returns.

    For the few statements of every poll and every answer: to write them again with the ORM takes several times as long
    as the database needs for them.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), parameters, prepare=True)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def async_commit_transaction() -> Iterator[None]:
    """A transaction that does not wait for the disk: for marks which a crash of the database may take back.

    It is atomic and seen by everybody like any other; a crash loses at most the last second of such commits.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
        yield


def close() -> None:
    """Let go of threads and connections; new ones come when they are needed."""
    global _threads
    old, _threads = _threads, _Threads()
    old.close()


def _run(work: Callable[[], R]) -> R:
    try:
        return work()
    except (OperationalError, InterfaceError) as error:
        connections.close_all()
        raise Transient(
            "database.unavailable", "The platform's database does not answer. Try again in a moment."
        ) from error
