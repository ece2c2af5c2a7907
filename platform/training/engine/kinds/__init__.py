"""The kinds of order: one module each, found by looking. Nothing outside of these asks which kind an order is of.

To add one, add a file with a ``STEP_KIND``; with a ``STEPLESS_KIND`` for orders that belong to no step of a round.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from training.engine.kinds.base import StepKind, SteplessKind


def _name(kind: StepKind | SteplessKind) -> str:
    """As orders say it."""
    return kind.kind.value


STEP_KINDS: Mapping[str, StepKind] = Offers(__name__, "STEP_KIND", name=_name, sort_key=_name)
STEPLESS_KINDS: Mapping[str, SteplessKind] = Offers(__name__, "STEPLESS_KIND", name=_name, sort_key=_name)


def step_kind(kind: str) -> StepKind:
    """A kind of order of rounds."""
    return STEP_KINDS[kind]


def stepless_kind(kind: str) -> SteplessKind:
    """A kind of order that belongs to no step of a round."""
    return STEPLESS_KINDS[kind]


def answered_with(payload_type: str) -> SteplessKind | None:
    """The kind of order, of no round, that is answered with such documents."""
    return next((one for one in STEPLESS_KINDS.values() if one.answer_type == payload_type), None)
