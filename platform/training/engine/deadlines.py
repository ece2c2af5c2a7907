"""Until when a step is answered, and until when its orders hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from training.waiting import BelowQuorum

GRACE = timedelta(seconds=30)
"""An order expires a little after its step's deadline: who answers in between is informed that it is late."""
PAUSED_FOR = timedelta(days=7)
"""Orders of a step that is not abandoned for a lack of answers hold so long after its deadline."""


@dataclass(frozen=True)
class StepDeadlines:
    """When a step was opened, until when it is answered, and until when its orders hold."""

    opened_at: datetime
    deadline_at: datetime
    below_quorum: BelowQuorum = BelowQuorum.ABANDON

    @property
    def expires_at(self) -> datetime:
        """When an order lapses."""
        return self.deadline_at + (PAUSED_FOR if self.below_quorum == BelowQuorum.PAUSE else GRACE)
