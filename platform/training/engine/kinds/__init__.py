"""The kinds of order: one module each. Nothing outside of these asks which kind an order is of."""

from __future__ import annotations

from federation.protocol.documents import OrderKind
from training.engine.kinds.audit_checkpoint import AuditCheckpointKind
from training.engine.kinds.base import StepKind, SteplessKind
from training.engine.kinds.evaluate import Evaluate
from training.engine.kinds.train import Train

STEP_KINDS: dict[OrderKind, StepKind] = {one.kind: one for one in (Train(), Evaluate())}
STEPLESS_KINDS: dict[OrderKind, SteplessKind] = {one.kind: one for one in (AuditCheckpointKind(),)}


def step_kind(kind: str) -> StepKind:
    """A kind of order of rounds."""
    return STEP_KINDS[OrderKind(kind)]


def answered_with(payload_type: str) -> SteplessKind | None:
    """The kind of order, of no round, that is answered with such documents."""
    return next((one for one in STEPLESS_KINDS.values() if one.answer_type == payload_type), None)


def grants_upload(kind: str) -> bool:
    """Whether an order of this kind is answered with an artefact."""
    of_round = STEP_KINDS.get(OrderKind(kind))
    return of_round is not None and of_round.has_upload
