"""To evaluate a stored version of a model."""

from __future__ import annotations

from federation.tasks.base import Task

TASK = Task(
    name="evaluate",
    rank=20,
    title="evaluate",
    agreed_as="evaluation",
    order_kind="evaluate",
    evaluates=True,
    asks_with="model_version",
)
