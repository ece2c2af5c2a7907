"""The combiners: one module of this package each, found by looking. To add one, add a file with a ``COMBINER``."""

from __future__ import annotations

from collections.abc import Mapping

from federation.aggregation.combine.base import CombinedUpdate, Combiner, UpdateFigures, UpdatesRejectedError
from federation.discovery import Offers

__all__ = ["COMBINERS", "CombinedUpdate", "Combiner", "UpdateFigures", "UpdatesRejectedError"]

COMBINERS: Mapping[str, Combiner] = Offers(__name__, "COMBINER")
