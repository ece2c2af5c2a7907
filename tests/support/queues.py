"""What stands in the real broker's queues."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty
from typing import Any

from celery import current_app


@dataclass(frozen=True)
class Message:
    """A task's message, as a worker would get it."""

    task: str
    args: tuple[Any, ...]
    expires: str | None

    def run(self) -> None:
        """Do what a worker does with it; raises what the task raises."""
        current_app.loader.import_default_modules()  # as a worker does when it begins
        current_app.tasks[self.task].apply(args=self.args, throw=True)


def drained(*queues: str) -> list[Message]:
    """Take every message out of these queues, in order."""
    found = []
    with current_app.connection_for_read() as connection:
        for name in queues:
            with connection.SimpleQueue(name) as queue:
                while True:
                    try:
                        message = queue.get(block=False)
                    except Empty:
                        break
                    message.ack()
                    args = tuple(message.payload[0])
                    found.append(Message(message.headers["task"], args, message.headers["expires"]))
    return found
