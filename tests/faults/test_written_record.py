"""An operator with the database and the signing key cuts the end off the record: every silo finds it by itself.

The last of these files: nobody trusts this platform afterwards.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from federation.protocol.chains import chain_of
from silo_connector.config import load
from silo_connector.trainer.checkpoints import kept_checkpoints
from tests.faults.conftest import Federation

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

WITHIN_S = 90.0
CUT = """
    ALTER TABLE audit_link DISABLE TRIGGER USER;
    CREATE TEMPORARY TABLE told AS SELECT id FROM audit_checkpoint WHERE chain = %(chain)s;
    DELETE FROM training_checkpointorder WHERE checkpoint_id IN (SELECT id FROM told);
    DELETE FROM audit_countersignature WHERE checkpoint_id IN (SELECT id FROM told);
    DELETE FROM audit_checkpoint WHERE id IN (SELECT id FROM told);
    DELETE FROM audit_link WHERE chain = %(chain)s AND position > %(left)s;
    UPDATE audit_head SET position = %(left)s, digest = (
        SELECT digest FROM audit_link WHERE chain = %(chain)s AND position = %(left)s
    ) WHERE chain = %(chain)s;
    ALTER TABLE audit_link ENABLE TRIGGER USER;
"""


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.2)


def test_every_silo_finds_a_record_that_was_cut(federation: Federation) -> None:
    ensemble, chain = federation.ensemble, chain_of(UUID(federation.consortium))
    states = [load(connector.configuration).trainer_state for connector in ensemble.connectors]
    job_id = federation.launch(rounds=1)
    federation.final_digest(job_id)

    def kept(state: Path) -> int:
        return kept_checkpoints(state)[chain].position if chain in kept_checkpoints(state) else 0

    services = ensemble.coordinator.services

    def everything_is_kept() -> bool:
        """What follows a job has happened too: the chain is longer than is kept only for moments after this."""
        with psycopg.connect(services.postgres.url()) as database:
            (head,) = database.execute("SELECT position FROM audit_head WHERE chain = %s", [chain]).fetchone() or (0,)
            last = "SELECT bool_and(updates_deleted_at IS NOT NULL) FROM training_round WHERE job_id = %s"
            tidied = database.execute(last, [job_id]).fetchone() == (True,)
            return tidied and all(kept(state) == head for state in states)

    until("every silo keeps the head", everything_is_kept)
    before = [kept(state) for state in states]
    with psycopg.connect(services.postgres.url()) as database, psycopg.ClientCursor(database) as cursor:
        cursor.execute(CUT, {"chain": chain, "left": min(before) - 10})

    def refused(state: Path) -> bool:
        lines = map(json.loads, (state / "journal.jsonl").read_text().splitlines())
        return any(line["event"] == "order.refused" and line["code"] == "checkpoint.goes_back" for line in lines)

    until("every silo refuses what goes back", lambda: all(map(refused, states)))
    assert all(kept(state) >= position for state, position in zip(states, before, strict=True))
    with psycopg.connect(services.postgres.url()) as database:
        rows = database.execute(
            "SELECT count(DISTINCT silo_id) FROM training_checkpointorder WHERE code <> ''"
        ).fetchone()
    assert rows == (len(states),)
