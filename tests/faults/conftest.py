"""The whole ensemble as real processes: the platform's with database and broker; four hospitals' with their runners."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.agreement import PURPOSE
from demo.client import Client
from demo.coordinator import choose_port
from demo.ensemble import Ensemble
from demo.home import Home
from demo.hospitals import DATA_SCIENTIST, HOSPITALS
from demo.job import SCOPES
from demo.processes import Child, DemoError
from demo.services import temporary_folder
from tests.support.migrated import migrated_folder, take_cluster
from tests.support.patience import attempts

FAST = {
    "STEP_LEASE_S": "3",
    "SWEEP_EVERY_S": "1",
    "HOUSEKEEPING_EVERY_S": "5",
    "SILO_SILENT_AFTER_S": "20",
    "LONG_POLL_MAX_S": "5",
    "THROTTLE_USER": "100000/min",
    "LOG_LEVEL": "INFO",
}
LOOK_AT_A_JOB_EVERY_S = 0.5
LOOK_AT_A_ROUND_EVERY_S = 0.1
"""Each look costs web as much work as a silo's answer; only a round passes so quickly that more of them are needed."""


@dataclass
class Federation:
    """The running ensemble, and the data scientist who launches jobs on it."""

    ensemble: Ensemble
    client: Client
    consortium: str
    datasets: list[str]
    runners: list[Child]

    def launch(self, rounds: int = 3, **changes: Any) -> str:
        """A job whose result is a function of the data and the seed alone."""
        request = {
            "consortium": self.consortium,
            "name": "fault test",
            "task": "train",
            "datasets": self.datasets,
            "protection": {"mode": "clear"},
            "model": {"family": "logistic"},
            "strategy": {"name": "fedadam", "learning_rate": 0.01},
            "use": PURPOSE,
            "local": {"steps": 400, "batch_size": 4, "learning_rate": 0.01},
            "rounds": rounds,
            "quorum": len(self.datasets),
            "round_deadline_s": 90,
            "seed": 7,
            **changes,
        }
        return str(self.client.post("jobs/", request)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the platform reports it; while web is away, what is known is that it is away."""
        try:
            return dict(self.client.get(f"jobs/{job_id}/"))
        except (OSError, DemoError):
            return {"state": "unknown", "current_round": None}

    def wait(
        self,
        job_id: str,
        what: str,
        condition: Callable[[dict[str, Any]], bool],
        *,
        every_s: float = LOOK_AT_A_JOB_EVERY_S,
    ) -> dict[str, Any]:
        """Wait until the job is as wanted."""
        job = self.job(job_id)
        for _ in attempts(f"{what} of job {job_id}", every_s=every_s):
            job = self.job(job_id)
            if condition(job):
                break
        return job

    def wait_for_round(self, job_id: str, number: int) -> None:
        """Wait until this round is open."""

        def reached(job: dict[str, Any]) -> bool:
            current = job["current_round"]
            return job["state"] == "completed" or bool(current and current["number"] >= number)

        self.wait(job_id, f"round {number}", reached, every_s=LOOK_AT_A_ROUND_EVERY_S)

    def final_digest(self, job_id: str) -> str:
        """What the job has learned, once it is complete."""
        job = self.wait(job_id, "end", lambda job: job["state"] in {"completed", "failed", "paused", "cancelled"})
        assert job["state"] == "completed", job
        versions = list(self.client.all(f"models/{job['model_id']}/versions/"))
        last = max(versions, key=lambda version: int(version["round_number"]))
        assert last["round_number"] == job["rounds_planned"]
        return str(last["digest"])

    def child(self, name: str) -> Child:
        """One of the processes."""
        return next(child for child in self.ensemble.children if child.name.startswith(name))


@pytest.fixture(scope="package")
def federation(heart_disease: Path, pytestconfig: pytest.Config) -> Iterator[Federation]:
    """Everything up, enrolled, with data registered."""
    folder = temporary_folder("faults")
    home = Home(folder)
    home.logs.mkdir()
    home.data.mkdir()
    for hospital in HOSPITALS:
        shutil.copyfile(heart_disease / hospital.file, home.data / hospital.file)
    ensemble = Ensemble(home, choose_port([None]), extra_environment=FAST)
    runners: list[Child] = []
    try:
        if migrated := migrated_folder(pytestconfig):
            take_cluster(migrated, ensemble.coordinator.services.postgres)
        ensemble.start_platform(lambda _: None)
        ensemble.enrol_silos(lambda _: None)
        # beside every trainer from its first start on: a second start of four trainers would load torch four times
        runners = [connector.run_plans() for connector in ensemble.connectors]
        for runner in runners:
            runner.start()
        ensemble.start_connectors()
        client = ensemble.sign_in(DATA_SCIENTIST.email).with_token("faults", SCOPES)
        datasets = ensemble.await_datasets(client, lambda _: None)
        ensemble.conclude_agreement(lambda _: None)
        consortium = str(next(iter(client.all("consortia/")))["id"])
        yield Federation(ensemble, client, consortium, [datasets[hospital.silo] for hospital in HOSPITALS], runners)
    finally:
        ensemble.stop()
        for runner in runners:
            runner.kill()
        shutil.rmtree(folder, ignore_errors=True)
