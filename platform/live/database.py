"""Short database work on behalf of the event loop: a thread and a connection for as long as it takes, no longer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


def _run(work: Callable[[], R]) -> R:
    try:
        return work()
    finally:
        connections.close_all()


async def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a synchronous function that uses the ORM; its connection goes back to the pool before this returns."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(_run, partial(function, *args, **kwargs)))
