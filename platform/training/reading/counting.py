"""What became of a round's orders, counted: the one definition that pages, REST and files share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from training.transitions import OrderState


class Outcome(TextChoices):
    """What an order has brought its round."""

    INCLUDED = "included", _("answered in time and counted")
    REFUSED = "refused", _("refused by the silo")
    REJECTED = "rejected", _("rejected by the platform")
    LATE = "late", _("answered too late")
    MISSING = "missing", _("not answered")
    RECALLED = "recalled", _("recalled")
    PENDING = "pending", _("still to be answered")


OUTCOME_OF: Mapping[OrderState, Outcome] = {
    OrderState.ISSUED: Outcome.PENDING,
    OrderState.DELIVERED: Outcome.PENDING,
    OrderState.ACCEPTED: Outcome.PENDING,
    OrderState.SUBMITTED: Outcome.INCLUDED,  # as it will, when its round closes: these are what the quorum counts
    OrderState.APPLIED: Outcome.INCLUDED,
    OrderState.REFUSED: Outcome.REFUSED,
    OrderState.REJECTED: Outcome.REJECTED,
    OrderState.LATE: Outcome.LATE,
    OrderState.EXPIRED: Outcome.MISSING,
    OrderState.CANCELLED: Outcome.RECALLED,
}


def states_of(outcome: Outcome) -> tuple[OrderState, ...]:
    """The states of orders with this outcome."""
    return tuple(state for state, found in OUTCOME_OF.items() if found == outcome)


@dataclass(frozen=True)
class Tally:
    """How many orders had which outcome. Every order is in exactly one of them."""

    included: int = 0
    refused: int = 0
    rejected: int = 0
    late: int = 0
    missing: int = 0
    recalled: int = 0
    pending: int = 0

    @property
    def expected(self) -> int:
        """How many silos were asked."""
        return sum(self.by_outcome().values())

    @property
    def settled(self) -> int:
        """How many orders nothing will happen to any more, or whose answer waits for the closing."""
        return self.expected - self.pending

    @property
    def others(self) -> list[tuple[str, int]]:
        """What became of the orders that did not count, in words; nothing of those that are still waited for."""
        beside = (Outcome.INCLUDED, Outcome.PENDING)
        return [(str(one.label), count) for one, count in self.by_outcome().items() if count and one not in beside]

    def by_outcome(self) -> dict[Outcome, int]:
        """The numbers by what they count."""
        return {one: int(getattr(self, one.value)) for one in Outcome}


def tally(states: Iterable[str]) -> Tally:
    """Count orders, given their states."""
    return tally_of(Counter(states))


def tally_of(counts: Mapping[str, int]) -> Tally:
    """The same from numbers of orders by state."""
    found: Counter[str] = Counter()
    for state, count in counts.items():
        found[OUTCOME_OF[OrderState(state)].value] += count
    return Tally(**found)
