"""States as literals in statements, taken from the tables of transitions."""

from collections.abc import Iterable, Mapping

from django.db.models import TextChoices

from training.transitions import S, sources

NOW = "statement_timestamp()"
"""The moment of a statement, by the database's clock: leases and deadlines know no other."""


def sql_literals(states: Iterable[TextChoices]) -> str:
    """States as literals: with parameters PostgreSQL would not see that an index on some states serves."""
    return ", ".join(f"'{state.value}'" for state in states)


def may_become(table: Mapping[S, frozenset[S]], to: S) -> str:
    """The states, as literals, from which `to` can be reached: what a statement that sets it is limited to."""
    return sql_literals(sources(table, to))
