"""Kill -9 any process at any moment of a round: the job ends the same way, and no update counts twice.

Training is a function of data and seed, and so is aggregation. The final model of a job through which processes were
killed is therefore, byte for byte, that of a job in peace; an update lost or counted twice would change it.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.conftest import Federation

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]


@pytest.fixture(scope="module")
def in_peace(federation: Federation) -> str:
    """The digest of what a job learns when nothing happens."""
    return federation.final_digest(federation.launch())


def test_a_job_in_peace_learns_the_same_again(federation: Federation, in_peace: str) -> None:
    assert federation.final_digest(federation.launch()) == in_peace


@pytest.mark.parametrize("name", ["web", "worker", "beat", "redis", "relay-cleveland", "trainer-budapest"])
def test_one_killed_in_the_middle_of_a_round(federation: Federation, in_peace: str, name: str) -> None:
    job_id = federation.launch()
    federation.wait_for_round(job_id, 2)
    child = federation.child(name)
    child.kill()
    time.sleep(0.5)
    child.start()
    assert federation.final_digest(job_id) == in_peace


def test_a_trainer_away_for_a_while_makes_the_others_wait(federation: Federation, in_peace: str) -> None:
    job_id = federation.launch()
    trainer = federation.child("trainer-switzerland")
    trainer.kill()
    time.sleep(4)
    assert federation.job(job_id)["state"] == "running"
    trainer.start()
    assert federation.final_digest(job_id) == in_peace


def test_processes_killed_at_random_moments_one_after_another(federation: Federation, in_peace: str) -> None:
    moments = random.Random(20261122)
    job_id = federation.launch()
    for name in ("worker", "trainer-cleveland", "web", "relay-budapest", "worker", "trainer-switzerland"):
        time.sleep(moments.uniform(0.05, 0.6))
        child = federation.child(name)
        child.kill()
        child.start()
    assert federation.final_digest(job_id) == in_peace


def test_the_database_killed_in_the_middle_of_a_round(federation: Federation, in_peace: str) -> None:
    job_id = federation.launch()
    federation.wait_for_round(job_id, 2)
    postgres = federation.ensemble.coordinator.services.postgres
    assert postgres.child is not None
    postgres.child.kill()
    postgres.start()
    assert federation.final_digest(job_id) == in_peace
