"""An order as its answer finds it, with what that answer must fit and may say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from federation.agreements.answer_bounds import AnswerBounds
from federation.protocol.rows import RowLimits
from federation.targets import figure_names, target_of
from realtime import database
from training.models import Job


@dataclass(frozen=True)
class AnsweredOrder:
    """An order, and what an answer to it must fit."""

    order_id: UUID
    silo_id: UUID
    state: str
    kind: str
    number: int
    code: str
    step_id: int
    round_number: int
    attempt: int
    version_id: UUID | None
    model_digest: str | None
    """None where it is about no model."""
    job_id: UUID
    consortium_id: UUID
    manifest_digest: str
    wait: str
    upload_digest: str | None
    """The artefact to which its grant is bound."""
    is_uploaded: bool
    """Whether the whole of it has come by that grant."""
    rows_coarse: int | None
    weight_max: int | None
    protection: str
    update_norm_l2_max: float
    minimum_cell: int
    metrics: str | None
    """The figures that the agreement lets out, as JSON; None where there is no agreement."""
    trainer_network: str | None
    n_classes: int | None
    target: str | None
    """Empty where it follows from the number of classes; None where the order is about no model."""

    @property
    def job(self) -> Job:
        """As much of the job as an event needs."""
        return Job.from_db("default", ("id", "consortium_id"), (self.job_id, self.consortium_id))

    @property
    def bounds(self) -> AnswerBounds:
        """What an answer to it may say."""
        return AnswerBounds(
            rows=RowLimits.of(self.rows_coarse, self.weight_max),
            is_weighed_here=self.protection == "clear",
            update_norm_l2_max=self.update_norm_l2_max,
            minimum_cell=self.minimum_cell,
            metrics=frozenset(figure_names() if self.metrics is None else json.loads(self.metrics)),
            target=None if self.target is None else target_of(self.target or None, self.n_classes),
            has_no_network=self.trainer_network == "forbidden",
        )


_FIND = """
    SELECT own.id, own.silo_id, own.state, own.kind, own.number, own.code, step.id, round.number,
           round.attempt, version.id, version.digest, job.id, job.consortium_id, job.manifest_digest,
           step.wait, upload.digest, upload.finished_at IS NOT NULL, seat.rows_coarse, seat.weight_max,
           job.request #>> '{protection,mode}', (job.request #>> '{limits,update_norm_l2_max}')::float8,
           (job.request #>> '{limits,minimum_cell}')::integer, agreement.terms #>> '{disclosure,metrics}',
           agreement.terms #>> '{training_limits,trainer_network}', model.n_classes, model.target
    FROM training_order AS own
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_round AS round ON round.id = step.round_id
    JOIN training_job AS job ON job.id = round.job_id
    LEFT JOIN registry_modelversion AS version ON version.id = own.base_version_id
    LEFT JOIN registry_model AS model ON model.id = version.model_id
    JOIN training_cohortseat AS seat ON seat.job_id = job.id AND seat.silo_id = own.silo_id
    LEFT JOIN agreements_agreementversion AS agreement ON agreement.id = job.agreement_id
    LEFT JOIN training_upload AS upload ON upload.order_id = own.id
    WHERE own.id = %(order)s AND own.silo_id = %(silo)s
"""
_LOCK = f"{_FIND} FOR UPDATE OF own"


def find_order(*, order_id: UUID, silo_id: UUID) -> AnsweredOrder | None:
    """The order of this silo as it is now; it may be another moment later."""
    return _answered(_FIND, order_id, silo_id)


def lock_order(*, order_id: UUID, silo_id: UUID) -> AnsweredOrder | None:
    """The order of this silo, locked until the transaction ends."""
    return _answered(_LOCK, order_id, silo_id)


def _answered(statement: str, order_id: UUID, silo_id: UUID) -> AnsweredOrder | None:
    rows = database.fetch(statement, {"order": order_id, "silo": silo_id})
    return AnsweredOrder(*rows[0]) if rows else None
