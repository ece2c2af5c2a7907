"""Shows that the agreement binds: a job outside it is refused by the platform, and by each silo when it is forced."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

from demo import job as first_job
from demo.agreement import OUTSIDE
from demo.client import Client, Refused
from demo.coordinator import Coordinator
from demo.hospitals import DATA_SCIENTIST
from demo.processes import DemoError, run
from demo.services import ROOT

TIMEOUT_S = 300.0
EXPECTED = "agreement.purpose"


def try_them(client: Client, coordinator: Coordinator, consortium: str, datasets: dict[str, str]) -> dict[str, int]:
    """Try both; how often each code was the answer. Raises DemoError when anything else happens."""
    asked = first_job.request(consortium, datasets) | {
        "name": "Lung cancer, which nobody has agreed to",
        "use": OUTSIDE,
        "rounds": 1,
        "retries_max": 0,
        "round_deadline_s": 60,
    }
    found = Counter([_refused_by_the_platform(client, asked)])
    found.update(_refused_by_the_silos(client, coordinator, asked))
    if found != {EXPECTED: 1 + len(datasets)}:
        raise DemoError(f"A job outside the agreement was not refused as it should be: {dict(found)}.")
    return dict(found)


def _refused_by_the_platform(client: Client, asked: dict[str, Any]) -> str:
    try:
        client.post("jobs/", asked)
    except Refused as refused:
        return refused.code
    raise DemoError("The platform has launched a job outside the agreement.")


def _refused_by_the_silos(client: Client, coordinator: Coordinator, asked: dict[str, Any]) -> list[str]:
    reported = run(
        [sys.executable, "-m", "demo.bypass_checks"],
        environment=coordinator.environment(with_signing_key=True) | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        log=coordinator.home.log("forcing"),
        what="Launching a job past the platform's checks",
        cwd=ROOT,
        given=json.dumps({"request": asked, "email": DATA_SCIENTIST.email}),
    )
    job_id = json.loads(reported)["job"]
    deadline = time.monotonic() + TIMEOUT_S
    while (job := client.get(f"jobs/{job_id}/"))["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise DemoError(f"The forced job is still {job['state']}.")
        time.sleep(0.2)
    if job["state"] == "completed":
        raise DemoError("The silos have carried out a job outside the agreement.")
    if job["state"] == "paused":
        client.post(f"jobs/{job_id}/cancel/")
    orders = [order for round_ in client.all(f"jobs/{job_id}/rounds/") for order in round_["orders"]]
    return [str(order["code"]) for order in orders if order["state"] == "refused"]
