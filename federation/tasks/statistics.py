"""To report statistics of columns: about no model."""

from __future__ import annotations

from federation.tasks.base import Task

TASK = Task(
    name="statistics",
    rank=30,
    title="statistics",
    agreed_as="statistics",
    order_kind="statistics",
    releases_statistics=True,
    is_about_model=False,
    asks_with="statistics",
    payload_kinds=frozenset({"statistics.v1"}),
)
