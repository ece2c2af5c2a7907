"""Whether a job goes on under its agreement when its next round would open. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agreements.transitions import AgreementState
from audit.reasons import Reason
from federation.protocol.documents.terms_1_0 import PROTOCOL as OLD_PROTOCOL
from training.engine.sql.opening import JobProgress
from training.transitions import JobState


@dataclass(frozen=True)
class Stop:
    """What becomes of a job that can't go on now, and why."""

    to: JobState
    code: str

    @property
    def why(self) -> Reason:
        """The rule by its code."""
        return Reason(self.code, {})


def blocking_reason(status: JobProgress, quorum: int) -> Stop | None:
    """Why the next round does not open; None if it does.

    What may be lifted pauses a job; what can't ends it. A job that runs when its version is superseded goes on if the
    version's own terms say so.
    """
    state = status.agreement_state
    if state in {AgreementState.TERMINATED, AgreementState.EXPIRED} or status.agreement_over:
        return Stop(JobState.CANCELLED, "agreement.expired")
    if status.agreement_protocol == OLD_PROTOCOL:
        return Stop(JobState.CANCELLED, "agreement.protocol")
    if state == AgreementState.SUPERSEDED and status.running_jobs != "continue":
        return Stop(JobState.CANCELLED, "agreement.superseded")
    if state == AgreementState.SUSPENDED or (status.suspended and len(status.silo_ids) < quorum):
        return Stop(JobState.PAUSED, "agreement.suspended")
    return None
