"""No protection: one step, whose answers the platform reads."""

from __future__ import annotations

from federation.protection.clear import MODE as CLEAR
from federation.protocol.documents import OrderKind
from training.protocols.base import StepPlan


class Clear:
    """Updates in clear, where the agreement says so."""

    mode = CLEAR.name

    def steps(self, work: OrderKind) -> tuple[StepPlan, ...]:
        """The work itself."""
        return (StepPlan(work),)


PROTOCOL = Clear()
