"""An operator with the database and the signing key rewrites the audit log: every silo refuses it by itself.

The last of these files: nobody trusts this platform afterwards.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from federation.protocol.chains import canonical, chain_of, first_digest, next_digest
from federation.protocol.merkle import Frontier
from silo_connector.config import load
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from tests.faults.conftest import Federation
from tests.support.every import every
from tests.support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

LEFT = 5
"""So many events are left as they were."""
TABLES = ("audit_link", "audit_treenode")
FORGET = """
    CREATE TEMPORARY TABLE signed AS SELECT id FROM audit_checkpoint WHERE chain = %(chain)s;
    DELETE FROM training_refusaldocument
        WHERE order_id IN (SELECT id FROM training_order WHERE audit_checkpoint_id IN (SELECT id FROM signed));
    DELETE FROM training_order WHERE audit_checkpoint_id IN (SELECT id FROM signed);
    DELETE FROM audit_countersignature WHERE checkpoint_id IN (SELECT id FROM signed);
    DELETE FROM audit_checkpoint WHERE chain = %(chain)s;
    DELETE FROM audit_link WHERE chain = %(chain)s AND position > %(left)s;
    DELETE FROM audit_treenode WHERE chain = %(chain)s;
"""


def locked(database: psycopg.Connection, chain: str) -> dict[int, str]:
    """The links of a chain, by position; nobody adds to it or signs it until the transaction ends."""
    tables = "training_order, audit_countersignature, audit_checkpoint"
    database.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
    database.execute("SELECT 1 FROM audit_head WHERE chain = %s FOR UPDATE", [chain])
    rows = database.execute("SELECT position, digest FROM audit_link WHERE chain = %s", [chain])
    return {position: bytes(digest).hex() for position, digest in rows}


def rewrite(database: psycopg.Connection, chain: str, length: int) -> None:
    """Cut a chain and let it grow again, with another history and a tree that fits it, all in one transaction.

    No process sees it in between: the next head that is signed is of the new history, however busy the machine is.
    """
    cursor = psycopg.ClientCursor(database)
    for table in TABLES:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    cursor.execute(FORGET, {"chain": chain, "left": LEFT})
    kept = database.execute("SELECT digest FROM audit_link WHERE chain = %s ORDER BY position", [chain]).fetchall()
    frontier, digest = Frontier(), first_digest(chain)
    for position in range(1, length + 1):
        record = canonical({"forged": position})
        digest = bytes(kept[position - 1][0]) if position <= LEFT else next_digest(digest, record)
        if position > LEFT:
            database.execute(
                "INSERT INTO audit_link (event_id, chain, position, record, digest) VALUES (%s, %s, %s, %s, %s)",
                [-position - time.time_ns() // 1000, chain, position, record, digest],
            )
        for (level, index), node in frontier.append(digest):
            database.execute(
                "INSERT INTO audit_treenode (chain, level, index, hash) VALUES (%s, %s, %s, %s)",
                [chain, level, index, node],
            )
    database.execute(
        "UPDATE audit_head SET position = %s, digest = %s, peaks = %s WHERE chain = %s",
        [length, digest, frontier.packed, chain],
    )
    for table in TABLES:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def refusals(state: Path) -> list[str]:
    """The codes of heads that this silo did not countersign, by its own journal."""
    lines = map(json.loads, (state / "journal.jsonl").read_text().splitlines())
    codes = [line["code"] for line in lines if line["event"] == "order.refused"]
    return [code for code in codes if code.startswith("checkpoint.")]


@pytest.mark.parametrize(
    ("grows_by", "expected"),
    [
        # what has happened meanwhile may have let it grow past what is kept: then it is found as a fork
        (None, {"checkpoint.goes_back", "checkpoint.forked"}),
        (50, {"checkpoint.forked"}),
    ],
    ids=["cut", "rewritten and grown past what is kept"],
)
def test_every_silo_refuses_a_log_that_was_rewritten(
    federation: Federation, grows_by: int | None, expected: set[str]
) -> None:
    ensemble, chain = federation.ensemble, chain_of(UUID(federation.consortium))
    states = [load(connector.configuration).trainer_state for connector in ensemble.connectors]

    def kept(state: Path) -> int:
        heads = stored_heads(state)
        return heads[chain].position if chain in heads else 0

    until("every silo keeps a head of the true log", lambda: all(kept(state) > LEFT for state in states))
    with psycopg.connect(ensemble.coordinator.services.postgres.url()) as database:
        true = locked(database, chain)
        rows = [len(refusals(state)) for state in states]
        before = [stored_heads(state)[chain] for state in states]
        longest = max(*true, *(head.position for head in before))
        rewrite(database, chain, LEFT if grows_by is None else longest + grows_by)

    def refused(state: Path, count: int) -> bool:
        return bool(set(refusals(state)[count:]) & expected)

    until("every silo refuses it", lambda: all(map(refused, states, rows)))
    for state, head in every(zip(states, before, strict=True)):
        now = stored_heads(state)[chain]  # perhaps a later one of the true log, whose order was on its way
        assert now == head or true[now.position] == now.digest

    def is_recorded() -> bool:
        with psycopg.connect(ensemble.coordinator.services.postgres.url()) as database:
            question = "SELECT count(DISTINCT silo_id) FROM training_order WHERE kind = 'checkpoint' AND code = ANY(%s)"
            return database.execute(question, [list(expected)]).fetchone() == (len(states),)

    until("the platform knows of every refusal", is_recorded)
