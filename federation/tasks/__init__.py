"""What jobs are launched for: the tasks, one module each, found by looking.

To add one, add a file with a ``TASK``, and the kind of order that it is made of on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from federation.tasks.base import Task

__all__ = ["TASKS", "Task", "kinds_that_train", "task_of", "task_of_kind", "tasks_that_train"]

TASKS: Mapping[str, Task] = Offers(__name__, "TASK", sort_key=lambda task: (task.rank, task.name))


def task_of(name: str) -> Task:
    """The task of this name. Raises KeyError where there is none: documents name none that is not known."""
    return TASKS[name]


def task_of_kind(kind: str) -> Task | None:
    """The task whose work orders of this kind are; None for those that a protection mode adds, or of no round."""
    return next((task for task in TASKS.values() if task.order_kind == kind), None)


def tasks_that_train() -> tuple[str, ...]:
    """The names of the tasks in which silos train a model: a model belongs to the job that trained it."""
    return tuple(task.name for task in TASKS.values() if task.trains)


def kinds_that_train() -> tuple[str, ...]:
    """The kinds of order that silos answer with an update of the model."""
    return tuple(task.order_kind for task in TASKS.values() if task.trains)
