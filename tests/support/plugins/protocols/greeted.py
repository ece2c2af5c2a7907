"""What the engine does under the mode: a step of greetings, and then the work."""

from __future__ import annotations

from federation.protocol.documents import OrderKind
from training.protocols.base import StepPlan


class Greeted:
    """Two steps a round."""

    mode = "greeted"

    def steps(self, work: OrderKind) -> tuple[StepPlan, ...]:
        """Greetings first."""
        return (StepPlan(OrderKind.CONSISTENCY), StepPlan(work))


PROTOCOL = Greeted()
