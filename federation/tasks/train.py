"""To train a model in rounds, and to evaluate what came of it once more."""

from __future__ import annotations

from federation.tasks.base import Task

TASK = Task(
    name="train",
    rank=10,
    title="train",
    agreed_as="training",
    order_kind="train",
    closes_with="evaluate",
    trains=True,
)
