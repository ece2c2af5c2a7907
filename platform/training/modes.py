"""Which protection modes the engine carries out: what launch offers, and refuses.

Launch stands below the engine and imports nothing of it. The modules are found by their folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from federation.discovery import Offers
from federation.protection import MODES, Mode

PROTOCOLS: Mapping[str, Any] = Offers(
    "training.engine.protocols", "PROTOCOL", name=attrgetter("mode"), sort_key=attrgetter("mode")
)


def carried_out() -> list[Mode]:
    """The modes that a job may ask for here, in the order in which they are listed."""
    return [mode for name, mode in MODES.items() if name in PROTOCOLS]
