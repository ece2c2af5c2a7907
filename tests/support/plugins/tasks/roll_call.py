"""A task that only tests have: silos that were given a model say that they are there."""

from __future__ import annotations

from federation.tasks.base import Task

TASK = Task(
    name="roll_call",
    rank=90,
    title="call the roll",
    agreed_as="calling the roll",
    order_kind="answer_call",
    asks_with="model_version",
    payload_kinds=frozenset({"words.ascii"}),
)
