"""The ways in which updates are protected on their way into the sum: one module each, found by looking.

To add one, add a file with a ``MODE``. Documents, agreements, launch, forms, the engine and the trainer ask here; what
the engine and the trainer do for a mode, `training.protocols` and `silo_connector.trainer.protection` offer.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from federation.protection.base import Mode

__all__ = ["MODES", "Mode", "mode_of"]

MODES: Mapping[str, Mode] = Offers(__name__, "MODE", sort_key=lambda mode: (mode.rank, mode.name))


def mode_of(name: str) -> Mode:
    """The mode of this name. Raises KeyError where there is none: documents name none that is not known."""
    return MODES[name]
