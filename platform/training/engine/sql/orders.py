"""Orders as they are polled for, answered and numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from audit.statements import appending
from federation.protocol.documents import Submission
from realtime import database
from silos.transitions import SiloState
from training.engine.sql.answered import AnsweredOrder
from training.sql_literals import NOW, may_become, sql_literals
from training.transitions import ORDER, OUTSTANDING, RECALLED, OrderState

ORDERS_MAX = 100
SEEN_EVERY_S = 10
"""A silo that polls all the time is not recorded as seen every time."""


@dataclass(frozen=True)
class FoundOrder:
    """An order that a silo should know of, with what goes along with it."""

    order_id: UUID
    state: str
    envelope: bytes
    manifest_digest: str | None
    """Of the manifest as it was signed; None where the order belongs to no job."""
    manifest: bytes | None
    """None also where the relay holds it."""
    agreement_digest: str | None
    """Of the agreement with all its signatures."""
    agreement: bytes | None
    """None also where the relay holds it."""
    newest_succession: int | None
    """The id of the last succession of the platform's key, read along: it costs the poll no statement of its own."""


# Its commit does not wait for the disk: what a crash takes back is marked again at the next poll.
_FETCH = f"""
    WITH admitted AS (
        SELECT id AS silo_id, set_config('synchronous_commit', 'off', true) FROM silos_silo
        WHERE id = %(silo)s AND state = '{SiloState.ACTIVE.value}' AND transport_key = %(transport)s
    ), seen AS (
        UPDATE silos_silo SET last_seen_at = {NOW}, silent_since = NULL FROM admitted
        WHERE id = admitted.silo_id AND (last_seen_at IS NULL OR silent_since IS NOT NULL
                                         OR last_seen_at < {NOW} - interval '1 second' * {SEEN_EVERY_S})
    ), held AS (
        UPDATE training_order SET state = '{OrderState.ACCEPTED.value}', delivered_at = COALESCE(delivered_at, {NOW})
        FROM admitted
        WHERE id = ANY(%(held)s) AND training_order.silo_id = admitted.silo_id
          AND state IN ({may_become(ORDER, OrderState.ACCEPTED)})
    ), found AS (
        SELECT id, state, envelope, job_id, number FROM admitted JOIN training_order USING (silo_id)
        WHERE state IN ({sql_literals(OUTSTANDING)}) AND expires_at > {NOW} AND id <> ALL(%(held)s)
        UNION ALL
        SELECT id, state, envelope, job_id, number FROM admitted JOIN training_order USING (silo_id)
        WHERE state IN ({sql_literals(RECALLED)}) AND id = ANY(%(held)s)
        ORDER BY number LIMIT {ORDERS_MAX}
    ), delivered AS (
        UPDATE training_order SET state = '{OrderState.DELIVERED.value}', delivered_at = {NOW} FROM found
        WHERE training_order.id = found.id
          AND training_order.state IN ({may_become(ORDER, OrderState.DELIVERED)})
    )
    SELECT found.id, found.state, found.envelope,
           job.manifest_digest, CASE WHEN job.manifest_digest <> ALL(%(documents)s) THEN job.manifest END,
           agreed.digest, CASE WHEN agreed.digest <> ALL(%(documents)s) THEN agreement.envelope END,
           (SELECT max(id) FROM silos_keysuccession)
    FROM found
    LEFT JOIN training_job AS job ON job.id = found.job_id
    LEFT JOIN agreements_agreementversion AS agreement ON agreement.id = job.agreement_id
    CROSS JOIN LATERAL (SELECT 'sha256:' || encode(sha256(agreement.envelope), 'hex') AS digest) AS agreed
    ORDER BY found.number
"""  # noqa: S608 - states and bounds of ours, nothing from outside


def fetch_deliverable(
    *, silo_id: UUID, transport_key: bytes, held: Sequence[UUID], documents: Sequence[str] = ()
) -> list[FoundOrder]:
    """Note that a silo is there and which orders its relay has; the orders that it lacks, or need not keep.

    What is issued counts as delivered from now on. Of the manifests and agreements whose digests are in `documents`
    only the digests come. For a silo that may not work, or not by this key, nothing is found and nothing noted.
    """
    asked = {"silo": silo_id, "transport": transport_key, "held": list(held), "documents": list(documents)}
    return [FoundOrder(*row) for row in database.fetch(_FETCH, asked)]


_SUBMIT = f"""
    WITH answered AS (
        UPDATE training_order SET state = '{OrderState.SUBMITTED.value}', answered_at = {NOW}
        WHERE id = %(order)s AND state IN ({may_become(ORDER, OrderState.SUBMITTED)})
        RETURNING id
    ), submitted AS (
        INSERT INTO training_submission
            (order_id, document, document_digest, payload_size_bytes, rows, steps, train_loss,
             update_norm_l2, phases_s, connector_version, received_at)
        SELECT id, %(document)s::bytea, %(document_digest)s, %(payload_size_bytes)s::bigint,
               %(rows)s::bigint, %(steps)s::bigint, %(train_loss)s::float8, %(update_norm_l2)s::float8,
               %(phases_s)s::jsonb, %(connector_version)s, {NOW}
        FROM answered
    ), brought AS (
        INSERT INTO training_payload (order_id, name, kind, digest, size_bytes)
        SELECT answered.id, payload.name, payload.kind, payload.digest, payload.size_bytes
        FROM answered, jsonb_to_recordset(%(payloads)s::jsonb)
            AS payload (name text, kind text, digest text, size_bytes bigint)
    ), evaluated AS (
        INSERT INTO training_evaluation
            (order_id, version_id, silo_id, rows, figures, suppressed)
        SELECT id, %(version)s, %(silo)s, %(test_rows)s::bigint, %(figures)s::jsonb, %(suppressed)s::boolean
        FROM answered WHERE %(test_rows)s::bigint IS NOT NULL
    ), recorded AS (
        {appending("answered")}
    )
    SELECT id FROM answered
"""  # noqa: S608 - states of ours


def submit(
    order: AnsweredOrder, statement: Submission, *, document: bytes, document_digest: str, event: Mapping[str, object]
) -> bool:
    """Keep an answer: the document as it came, what it reports, the order's new state, and the event that reports it.

    Whole in itself. False, and nothing kept, if the order was not open any more.
    """
    training, evaluation = statement.training, statement.evaluation
    payloads = [{"name": name, **payload.model_dump()} for name, payload in statement.payloads.items()]
    rows = database.fetch(
        _SUBMIT,
        {
            "order": order.order_id,
            "silo": order.silo_id,
            "version": order.version_id,
            "document": document,
            "document_digest": document_digest,
            "payloads": Jsonb(payloads),
            "payload_size_bytes": sum(payload.size_bytes for payload in statement.payloads.values()),
            "rows": training.rows if training else 0,
            "steps": training.steps if training else 0,
            "train_loss": training.loss if training else None,
            "update_norm_l2": training.update_norm_l2 if training else None,
            "phases_s": Jsonb(dict(statement.phases_s)),
            "connector_version": statement.environment.connector_version,
            "test_rows": evaluation.rows if evaluation else None,
            "figures": Jsonb(evaluation.figures if evaluation else {}),
            "suppressed": evaluation.suppressed if evaluation else False,
            **event,
        },
    )
    return bool(rows)


_SOMEBODY_OUTSTANDING = f"""
    SELECT EXISTS (SELECT FROM training_order WHERE step_id = %(step)s AND state IN ({sql_literals(OUTSTANDING)}))
"""  # noqa: S608 - states of ours


def somebody_outstanding(step_id: int) -> bool:
    """Whether a silo still has to answer in this step."""
    return bool(database.fetch(_SOMEBODY_OUTSTANDING, {"step": step_id})[0][0])


_NEXT_NUMBERS = """
    WITH mine AS (
        SELECT id FROM silos_silo WHERE id = ANY(%(silos)s) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE silos_silo SET orders_issued = orders_issued + 1 FROM mine WHERE silos_silo.id = mine.id
    RETURNING silos_silo.id, silos_silo.orders_issued
"""


def next_order_numbers(silo_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The next order number of each silo. Rows are locked in the order of ids: two jobs can't block each other."""
    return dict(database.fetch(_NEXT_NUMBERS, {"silos": list(silo_ids)}))
