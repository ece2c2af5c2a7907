"""Statistics through the real processes of four hospitals: what is released, the day's number, a trainer killed."""

from __future__ import annotations

from typing import Any

import pytest

from demo.agreement import PURPOSE
from tests.faults.conftest import Federation
from tests.support.every import every

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

PER_DAY = 3
SILO = "cleveland"


def ask(federation: Federation, *columns: str, **changes: Any) -> str:
    request = {
        "consortium": federation.consortium,
        "name": "statistics",
        "task": "statistics",
        "datasets": federation.datasets,
        "protection": {"mode": "clear"},
        "use": PURPOSE,
        "statistics": {"columns": list(columns)},
        "quorum": len(federation.datasets),
        "round_deadline_s": 90,
        "retries_max": 0,
        **changes,
    }
    return str(federation.client.post("jobs/", request)["id"])


def ended(job: dict[str, Any]) -> bool:
    return job["state"] in ("completed", "failed", "paused", "cancelled")


def test_statistics_pass_through_every_process_and_the_day_s_number_outlives_a_kill(federation: Federation) -> None:
    job_id = ask(federation, "age", "sex")
    job = federation.wait(job_id, "end", ended)
    assert job["state"] == "completed", job
    response = federation.client.get(f"jobs/{job_id}/statistics/")
    age = response["columns"][0]
    assert (response["silos"], response["rows"], age["name"]) == (4, 920, "age")
    assert (age["count"], age["moments_silos"], age["moments_rows"]) == (920, 4, 920)
    assert age["mean"] == pytest.approx(53.51, abs=0.02), "of the 920 rows of the four files"
    for _ in every(range(PER_DAY - 1)):
        assert federation.wait(ask(federation, "age"), "end", ended)["state"] == "completed"
    trainer = federation.child(f"trainer-{SILO}")
    trainer.kill()
    trainer.start()
    refused = ask(federation, "age")
    federation.wait(refused, "end", ended)
    orders = [order for one in federation.client.all(f"jobs/{refused}/rounds/") for order in one["orders"]]
    assert {order["code"] for order in orders if order["silo"]["name"] == SILO} == {"statistics.per_day"}
    federation.client.post(f"jobs/{refused}/cancel/")
