"""Uploads: one artefact for one output of an order, bound to it before the first byte is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from realtime import database
from training.sql_literals import NOW, sql_literals
from training.transitions import OUTSTANDING

_FIND = f"""
    SELECT own.silo_id, own.state, own.envelope, own.expires_at <= {NOW}, upload.digest, upload.size_bytes,
           upload.finished_at IS NOT NULL
    FROM training_order AS own
    LEFT JOIN training_upload AS upload ON upload.order_id = own.id AND upload.name = %(name)s
    WHERE own.id = %(order)s
"""  # noqa: S608 - a name of ours


@dataclass(frozen=True)
class FoundUpload:
    """An order, and what one of its grants has brought so far."""

    silo_id: UUID
    state: str
    envelope: bytes
    is_expired: bool
    """By the database's clock, which set until when it holds."""
    digest: str | None
    size_bytes: int | None
    is_finished: bool


def find(order_id: UUID, name: str) -> FoundUpload | None:
    """The order with its upload for this output, or None when there is no such order."""
    rows = database.fetch(_FIND, {"order": order_id, "name": name})
    return FoundUpload(*rows[0]) if rows else None


# Two uploads of one silo are begun one after the other, so that both see what the other takes of the silo's share.
# Neither commit waits for the disk: what a crash of the database takes back has to be uploaded again, and is.
_ONE_AT_A_TIME = """
    SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(%(lock)s)
"""
_BEGIN = f"""
    WITH in_flight AS (
        SELECT COALESCE(sum(upload.size_bytes), 0) AS size_bytes
        FROM training_order AS own JOIN training_upload AS upload ON upload.order_id = own.id
        WHERE own.silo_id = %(silo)s AND own.state IN ({sql_literals(OUTSTANDING)})
    )
    INSERT INTO training_upload (order_id, name, digest, size_bytes, begun_at)
    SELECT own.id, %(name)s, %(digest)s, %(size_bytes)s::bigint, {NOW}
    FROM training_order AS own, in_flight
    WHERE own.id = %(order)s AND own.state IN ({sql_literals(OUTSTANDING)})
      AND in_flight.size_bytes + %(size_bytes)s::bigint <= %(size_bytes_max)s::bigint
    ON CONFLICT (order_id, name) DO NOTHING
    RETURNING true
"""  # noqa: S608 - states of ours


def begin(*, order_id: UUID, name: str, silo_id: UUID, digest: str, size_bytes: int, in_flight_bytes_max: int) -> bool:
    """Bind an artefact to an output of an order that waits for its answer.

    False, and nothing written, if something is bound to it, if it waits no longer, or if the silo would have more
    bytes in flight than this.
    """
    number = int.from_bytes(hashlib.sha256(f"uploads of {silo_id}".encode()).digest()[:8], "big", signed=True)
    with transaction.atomic():
        database.fetch(_ONE_AT_A_TIME, {"lock": number})
        return bool(
            database.fetch(
                _BEGIN,
                {
                    "order": order_id,
                    "name": name,
                    "silo": silo_id,
                    "digest": digest,
                    "size_bytes": size_bytes,
                    "size_bytes_max": in_flight_bytes_max,
                },
            )
        )


_FINISH = f"""
    WITH relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    )
    UPDATE training_upload SET finished_at = COALESCE(finished_at, {NOW}) FROM relaxed
    WHERE order_id = %(order)s AND name = %(name)s AND digest = %(digest)s
    RETURNING true
"""  # noqa: S608 - a name of ours


def finish(*, order_id: UUID, name: str, digest: str) -> bool:
    """Note that the whole artefact has come by this grant; False if the order is over and its upload gone."""
    return bool(database.fetch(_FINISH, {"order": order_id, "name": name, "digest": digest}))


_FORGET = f"""
    DELETE FROM training_upload WHERE id IN (
        SELECT upload.id FROM training_upload AS upload JOIN training_order AS own ON own.id = upload.order_id
        WHERE own.state NOT IN ({sql_literals(OUTSTANDING)})
        LIMIT %(limit)s
    )
    RETURNING order_id, digest
"""  # noqa: S608 - states of ours


def delete_settled(*, limit: int) -> list[tuple[UUID, str]]:
    """Delete the uploads of orders that wait for no answer any more; each order with the digest that was its."""
    return [(order_id, digest) for order_id, digest in database.fetch(_FORGET, {"limit": limit})]
