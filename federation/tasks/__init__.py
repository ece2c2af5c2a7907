"""What jobs are launched for: the tasks, one module each, found by looking.

To add one, add a file with a ``TASK``, and the kind of order that it is made of on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from federation.tasks.base import Task

__all__ = ["TASKS", "Task", "task_of"]

TASKS: Mapping[str, Task] = Offers(__name__, "TASK", sort_key=lambda task: (task.rank, task.name))


def task_of(name: str) -> Task:
    """The task of this name. Raises KeyError where there is none: documents name none that is not known."""
    return TASKS[name]
