"""The statements of every poll, every answer and every round, in SQL: one where the ORM would take several."""

from collections.abc import Sequence

from training.transitions import OrderState


def listed(states: Sequence[OrderState]) -> str:
    """States as literals: with parameters PostgreSQL would not see that an index on some states serves."""
    return ", ".join(f"'{state.value}'" for state in states)
