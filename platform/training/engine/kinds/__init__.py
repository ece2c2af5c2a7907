"""The kinds of order: one module each, found by looking. Nothing outside of these asks which kind an order is of.

To add one, add a file with a ``STEP_KIND``; with a ``STEPLESS_KIND`` for orders of a job that belong to no step of a
round; with a ``STATEMENT_KIND`` for orders of no job, that are answered with a signed statement of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from training.engine.kinds.base import StatementKind, StepKind, SteplessKind


def _name(kind: StepKind | SteplessKind | StatementKind) -> str:
    """As orders say it."""
    return kind.kind


STEP_KINDS: Mapping[str, StepKind] = Offers(__name__, "STEP_KIND", name=_name, sort_key=_name)
STEPLESS_KINDS: Mapping[str, SteplessKind] = Offers(__name__, "STEPLESS_KIND", name=_name, sort_key=_name)
STATEMENT_KINDS: Mapping[str, StatementKind] = Offers(__name__, "STATEMENT_KIND", name=_name, sort_key=_name)


def step_kind(kind: str) -> StepKind:
    """A kind of order of rounds."""
    return STEP_KINDS[kind]


def stepless_kind(kind: str) -> SteplessKind:
    """A kind of order of a job that belongs to no step of a round."""
    return STEPLESS_KINDS[kind]


def job_kind(kind: str) -> StepKind | SteplessKind:
    """A kind of order of a job, in a step or in none."""
    return STEP_KINDS.get(kind) or STEPLESS_KINDS[kind]


def statement_kind(kind: str) -> StatementKind:
    """A kind of order of no job."""
    return STATEMENT_KINDS[kind]


def answered_with(payload_type: str) -> StatementKind | None:
    """The kind of order, of no job, that is answered with such statements: they name no order."""
    return next((one for one in STATEMENT_KINDS.values() if one.answer_type == payload_type), None)
