"""Kill -9 any process at any moment of a round: the job ends the same way, and no update counts twice.

Training is a function of data and seed, and so is aggregation. The final model of a job through which processes were
killed is therefore, byte for byte, that of a job in peace; an update lost or counted twice would change it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import psycopg
import pytest

from tests.faults.conftest import Federation
from tests.support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

ROUNDS = 3
PAIRS = (("web", "relay-cleveland"), ("worker", "trainer-budapest"), ("beat", "redis"))
"""One of the platform's and one of a hospital's; beat and the broker, through which it speaks."""


@pytest.fixture(scope="module")
def in_peace(federation: Federation) -> str:
    """The digest of what a job learns when nothing happens."""
    return federation.final_digest(federation.launch())


def kill_in_the_middle_of_a_round(federation: Federation, *names: str) -> str:
    """The digest of what a job learns through which these were killed at once, and started again."""
    job_id = federation.launch()
    federation.wait_for_round(job_id, 2)
    children = [federation.child(name) for name in names]
    for child in children:
        child.kill()
    time.sleep(0.5)
    for child in children:
        child.start()
    return federation.final_digest(job_id)


@pytest.mark.parametrize("names", PAIRS, ids=" and ".join)
def test_a_round_survives_two_processes_that_are_killed(
    federation: Federation, in_peace: str, names: tuple[str, str]
) -> None:
    assert kill_in_the_middle_of_a_round(federation, *names) == in_peace


@pytest.mark.long
@pytest.mark.parametrize("name", [name for pair in PAIRS for name in pair])
def test_a_round_survives_a_process_that_is_killed(federation: Federation, in_peace: str, name: str) -> None:
    assert kill_in_the_middle_of_a_round(federation, name) == in_peace


@pytest.mark.long
def test_a_job_in_peace_learns_the_same_again(federation: Federation, in_peace: str) -> None:
    assert federation.final_digest(federation.launch()) == in_peace


def test_a_trainer_away_for_a_while_makes_the_others_wait(federation: Federation, in_peace: str) -> None:
    job_id = federation.launch()
    trainer = federation.child("trainer-switzerland")
    trainer.kill()
    time.sleep(4)
    assert federation.job(job_id)["state"] == "running"
    trainer.start()
    assert federation.final_digest(job_id) == in_peace


def kill_at_random(federation: Federation, names: Iterable[str], seed: int, rounds: int) -> str:
    """The digest of what a job learns through which one after another was killed."""
    moments = random.Random(seed)
    job_id = federation.launch(rounds=rounds)
    for name in names:
        time.sleep(moments.uniform(0.05, 0.6))
        child = federation.child(name)
        child.kill()
        child.start()
    return federation.final_digest(job_id)


def test_processes_killed_at_random_moments_one_after_another(federation: Federation, in_peace: str) -> None:
    names = ("worker", "trainer-cleveland", "web", "relay-budapest", "worker", "trainer-switzerland")
    assert kill_at_random(federation, names, 20261122, ROUNDS) == in_peace


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_killed_at_random_moments(federation: Federation, seed: int) -> None:
    rounds = 5 * ROUNDS
    in_peace = federation.final_digest(federation.launch(rounds=rounds))
    names = random.Random(seed).choices([name for pair in PAIRS for name in pair], k=5 * 6)
    assert kill_at_random(federation, names, seed, rounds) == in_peace


def test_the_database_killed_in_the_middle_of_a_round(federation: Federation, in_peace: str) -> None:
    job_id = federation.launch()
    federation.wait_for_round(job_id, 2)
    postgres = federation.ensemble.coordinator.services.postgres
    assert postgres.child is not None
    postgres.child.kill()
    postgres.start()
    assert federation.final_digest(job_id) == in_peace

    def noticed() -> list[tuple[object, ...]]:
        with psycopg.connect(postgres.url()) as database:
            about = "SELECT kind FROM monitoring_notice WHERE kind = 'job.completed' AND job_id = %s"
            return database.execute(about, [job_id]).fetchall()

    until("people are notified, by a worker that lost its connection too", lambda: noticed() == [("job.completed",)])
