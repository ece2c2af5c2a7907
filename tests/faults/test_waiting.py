"""A silo that is killed holds up no round for long, and takes part again by itself when it is back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import Federation

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

AN_HOUR_S = 3600
SILO = "switzerland"


def closed_round(federation: Federation, job_id: str, number: int) -> dict[str, Any]:
    """The attempt of this round that counted."""
    (one,) = federation.client.all(f"jobs/{job_id}/rounds/", number=number, state="closed")
    return dict(one)


def state_in(one: dict[str, Any]) -> str:
    """What became of the killed silo's order."""
    return str(next(order for order in one["orders"] if order["silo"]["name"] == SILO)["state"])


def test_rounds_go_on_without_a_killed_silo_and_it_comes_back_by_itself(federation: Federation) -> None:
    """With a deadline of an hour, each round that ends at all while the silo is away has not waited for it."""
    quorum = len(federation.datasets) - 1
    local = {"steps": 20, "batch_size": 4, "learning_rate": 0.01}
    job_id = federation.launch(rounds=2000, quorum=quorum, round_deadline_s=AN_HOUR_S, wait="adaptive", local=local)
    federation.wait_for_round(job_id, 2)
    children = [federation.child(f"{part}-{SILO}") for part in ("relay", "trainer")]
    for child in children:
        child.kill()
    killed_in = federation.job(job_id)["current_round"]["number"]
    try:
        federation.wait_for_round(job_id, killed_in + 6)
    finally:
        for child in children:
            child.start()
    without = [closed_round(federation, job_id, killed_in + place) for place in range(1, 6)]
    assert {one["close_reason"] for one in without} <= {"grace", "silent"}
    assert "silent" in {one["close_reason"] for one in without}  # at the latest when it was waited for in vain
    assert {state_in(one) for one in without} <= {"expired", "late"}
    assert {one["outcomes"]["included"] for one in without} == {quorum}
    back = killed_in + 6

    def is_back(job: dict[str, Any]) -> bool:
        nonlocal back
        assert job["state"] in ("running", "unknown"), job
        while job["current_round"] and back < job["current_round"]["number"]:
            if state_in(closed_round(federation, job_id, back)) == "applied":
                return True
            back += 1
        return False

    job = federation.wait(job_id, f"answer of {SILO} after it was started again", is_back)
    assert {one["silo"]["name"] for one in job["absences"]} == {SILO}
    federation.client.post(f"jobs/{job_id}/cancel/")
