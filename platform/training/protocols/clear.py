"""No protection: one step, whose answers the platform reads."""

from __future__ import annotations

from federation.aggregation.combine import COMBINERS, Combiner
from federation.protection.clear import MODE as CLEAR
from training.protocols.base import Opening, StepPlan


class Clear:
    """Updates in clear, where the agreement says so."""

    mode = CLEAR.name

    def steps(self, work: str) -> tuple[StepPlan, ...]:
        """The work itself."""
        return (StepPlan(work, opens_with=read_all),)


def read_all(opening: Opening) -> Combiner:
    """Every update is there to be read: the strategy's own combiner."""
    return COMBINERS[opening.strategy.combiner]


PROTOCOL = Clear()
