"""Yesterday's backup is put back under silos that have seen today: numbers and jobs go on, and the log shows a break.

Backup and restore are the commands of docs/operator.md.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from demo.hospitals import STEWARD
from demo.processes import stop_together
from federation.evidence.report import Verdict
from federation.protocol.chains import chain_of
from federation.verify import check
from silo_connector.cli import main
from silo_connector.config import load
from silo_connector.trainer.store.audit_checkpoints import abandoned_heads, heads_seen, stored_heads
from silo_connector.trainer.store.log_breaks import stored_breaks
from tests.faults.conftest import Federation
from tests.support.every import every
from tests.support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]


def evidence(federation: Federation, job_id: str, to: Path) -> Path:
    """The job's bundle, as a steward downloads it."""
    to.write_bytes(federation.ensemble.sign_in(STEWARD.email).download(f"jobs/{job_id}/evidence/"))
    return to


def test_yesterdays_backup_under_silos_that_saw_today(federation: Federation, tmp_path: Path) -> None:
    ensemble, chain = federation.ensemble, chain_of(UUID(federation.consortium))
    coordinator = ensemble.coordinator
    postgres, blobs = coordinator.services.postgres, coordinator.services.folder / "blobs"
    states = [load(connector.configuration).trainer_state for connector in ensemble.connectors]

    def rows(statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(postgres.url()) as database:
            return database.execute(statement, values).fetchall()

    def kept(state: Path) -> int:
        heads = stored_heads(state)
        return heads[chain].position if chain in heads else 0

    def events() -> int:
        found = rows("SELECT position FROM audit_head WHERE chain = %s", chain)
        return int(str(found[0][0])) if found else 0

    before = federation.launch(rounds=2, seed=21)
    federation.final_digest(before)
    going_on = federation.launch(rounds=400, seed=22, round_deadline_s=30)  # many: it has to run while it is dumped
    federation.wait_for_round(going_on, 2)

    postgres.dump(tmp_path / "consilience.dump")
    assert rows("SELECT state FROM training_job WHERE id = %s", going_on) == [("running",)]
    shutil.copytree(blobs, tmp_path / "blobs")
    lost_from = events()
    open_round = int(federation.job(going_on)["current_round"]["number"])
    federation.wait_for_round(going_on, open_round + 2)  # the backup lacks orders that silos have carried out
    federation.client.post(f"jobs/{going_on}/pause/")  # it would take the machine from everything below
    federation.final_digest(federation.launch(rounds=2, seed=23))
    until("every silo keeps a head that the backup lacks", lambda: all(kept(one) > lost_from for one in states))
    given_up = [stored_heads(state)[chain].position for state in states]

    stop_together(coordinator.children)
    postgres.restore(tmp_path / "consilience.dump")
    shutil.rmtree(blobs)
    shutil.copytree(tmp_path / "blobs", blobs)
    coordinator.migrate()
    coordinator.start_processes()

    # a new job goes through although its first numbers were used; the one that silos are ahead in ends with the reason
    federation.final_digest(federation.launch(rounds=2, seed=24))
    ended = federation.wait(going_on, "end of the job that ran", lambda job: job["state"] in {"failed", "completed"})
    assert (ended["state"], ended["reason_code"]) == ("failed", "platform.restored"), ended
    ahead = "SELECT count(DISTINCT actor_id) FROM audit_event WHERE verb = 'silo.numbers_ahead'"
    until("every silo tells that its numbers are ahead", lambda: rows(ahead) == [(len(states),)])

    # nobody countersigns the other log, and everybody is informed
    until("every trainer notes the break", lambda: all(chain in stored_breaks(one).unaccepted for one in states))
    until("the platform knows", lambda: rows("SELECT count(DISTINCT silo_id) FROM audit_losthead") == [(4,)])
    assert rows("SELECT count(*) FROM audit_event WHERE verb = 'log.restored'") == [(1,)]
    until("it is shown", lambda: rows("SELECT count(*) FROM silos_silo WHERE platform_older") == [(4,)])
    shown = coordinator.manage("restored")
    assert chain in shown
    assert "orders lost" in shown
    for state, position in every(zip(states, given_up, strict=True)):
        assert stored_heads(state)[chain].position >= position, "what was kept is kept"
        assert abandoned_heads(state).get(chain) is None

    # each steward accepts; then the log is countersigned again, and evidence shows the break
    for connector in every(ensemble.connectors):
        words = ["accept-log", "--config", str(connector.configuration), "--key", str(connector.signatory.key), "--yes"]
        assert main(words) == 0
    until(
        "every silo countersigns again",
        lambda: (
            rows(
                "SELECT count(DISTINCT signed.silo_id) FROM audit_countersignature AS signed "
                "JOIN audit_losthead AS lost ON lost.silo_id = signed.silo_id WHERE signed.at > lost.accepted_at"
            )
            == [(4,)]
        ),
    )
    report = check(evidence(federation, before, tmp_path / "before.jsonl"))
    assert report.verdict is Verdict.LIMITED, report.faults
    assert "evidence.log_restored" in {limit.code for limit in report.limits}
    own = check(tmp_path / "before.jsonl", None, None, heads_seen(states[0]), abandoned_heads(states[0]))
    assert own.verdict is Verdict.LIMITED, own.faults
    journal = (states[0] / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["chain"] for line in journal if '"log.accepted"' in line] == [chain]
