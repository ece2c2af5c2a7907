"""An order as its answer finds it, with what that answer must fit and may say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from federation.agreements.answer_bounds import AnswerBounds
from federation.protection import mode_of
from federation.protocol.documents import Order, read
from federation.protocol.envelope import payload_unverified
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
    step_id: int | None
    """None where it belongs to no step; its document says round 0, attempt 1."""
    round_number: int
    attempt: int
    version_id: UUID | None
    envelope: bytes
    """The order as it was signed."""
    job_id: UUID
    consortium_id: UUID
    manifest_digest: str
    wait: str
    uploaded: str | None
    """The artefacts to which its grants are bound, by name, as JSON: the digest, and whether the whole has come."""
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
    def in_round(self) -> dict[str, object]:
        """What an event says of where it belongs."""
        return {} if self.step_id is None else {"round": self.round_number}

    @property
    def job(self) -> Job:
        """As much of the job as an event needs."""
        return Job.from_db("default", ("id", "consortium_id"), (self.job_id, self.consortium_id))

    @cached_property
    def document(self) -> Order:
        """What its silo was shown, as it was signed."""
        return read(Order, payload_unverified(bytes(self.envelope)))

    @cached_property
    def uploads(self) -> Mapping[str, tuple[str, bool]]:
        """Of each output for which something has come: the artefact's digest, and whether it is whole."""
        found = json.loads(self.uploaded) if self.uploaded else {}
        return {name: (digest, is_whole) for name, (digest, is_whole) in found.items()}

    @property
    def bounds(self) -> AnswerBounds:
        """What an answer to it may say."""
        return AnswerBounds(
            rows=RowLimits.of(self.rows_coarse, self.weight_max),
            is_weighed_here=mode_of(self.protection).platform_reads_updates,
            update_norm_l2_max=self.update_norm_l2_max,
            minimum_cell=self.minimum_cell,
            metrics=frozenset(figure_names() if self.metrics is None else json.loads(self.metrics)),
            target=None if self.target is None else target_of(self.target or None, self.n_classes),
            has_no_network=self.trainer_network == "forbidden",
        )


_FIND = """
    SELECT own.id, own.silo_id, own.state, own.kind, own.number, own.code, step.id,
           COALESCE(round.number, 0), COALESCE(round.attempt, 1), own.base_version_id, own.envelope, job.id,
           job.consortium_id, job.manifest_digest,
           COALESCE(step.wait, ''),
           (SELECT jsonb_object_agg(came.name, jsonb_build_array(came.digest, came.finished_at IS NOT NULL))
            FROM training_upload AS came WHERE came.order_id = own.id)::text,
           member.rows_coarse, member.weight_max,
           job.request #>> '{protection,mode}', (job.request #>> '{limits,update_norm_l2_max}')::float8,
           (job.request #>> '{limits,minimum_cell}')::integer, agreement.terms #>> '{disclosure,metrics}',
           agreement.terms #>> '{training_limits,trainer_network}', model.n_classes, model.target
    FROM training_order AS own
    JOIN training_job AS job ON job.id = own.job_id
    LEFT JOIN training_step AS step ON step.id = own.step_id
    LEFT JOIN training_round AS round ON round.id = step.round_id
    LEFT JOIN registry_modelversion AS version ON version.id = own.base_version_id
    LEFT JOIN registry_model AS model ON model.id = version.model_id
    JOIN training_cohortmember AS member ON member.job_id = job.id AND member.silo_id = own.silo_id
    LEFT JOIN agreements_agreementversion AS agreement ON agreement.id = job.agreement_id
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
