"""The lock on a trainer whose state is older than its journal, or whose clock is behind: looked at again and again."""

from __future__ import annotations

from silo_connector.config import Config
from silo_connector.journal import Journal
from silo_connector.logs import Log
from silo_connector.trainer.clock import Clock
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.past import Past
from silo_connector.trainer.store.state_check import compare

LOG = Log("trainer")


class StateLock:
    """How the stores stand to the journal, as it was found last."""

    def __init__(self, config: Config, memory: Memory, journal: Journal) -> None:
        self._config = config
        self._memory = memory
        self._journal = journal
        self._past: Past | None = None
        self.clock = Clock()

    @property
    def is_locked(self) -> bool:
        """Whether every order is refused."""
        return self._past is not None and self._past.code is not None

    def look(self) -> bool:
        """Look when it starts, and as long as something is older; whether that is over now."""
        if self._was_set_back():
            self._past = None
        if self._past is not None and not self.is_locked:
            self.clock.now()
            return False
        before, self._past = self._past, compare(self._config, self._memory)
        self.clock.begin(self._past.latest)
        self.clock.now()
        refused = self._past.refusal()
        if refused is None:
            if before is not None:
                LOG.warning("trainer.unlocked")
            return before is not None
        if before is None or before.older != self._past.older:
            LOG.error(refused.code, reason=refused.message, hint="run: silo-connector doctor --config …")
        return False

    def past(self) -> Past:
        """What was found, also of a clock that was set back since."""
        if self._past is None or self._was_set_back():
            self.look()
        assert self._past is not None, "it was looked at"
        return self._past

    def note_moment(self) -> None:
        """Have the journal see the moment now and then, also where nothing happens."""
        if not self.is_locked and self.clock.is_to_be_noted():
            self._journal.add("moment.seen")

    def _was_set_back(self) -> bool:
        """Whether the clock is behind what this process has seen: then the journal has that too."""
        if self.is_locked or not self.clock.is_behind:
            return False
        self._journal.add("clock.behind", seen=self.clock.latest)
        return True
