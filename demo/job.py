"""The demo's first job: what is asked for, and what came of it, read over the REST API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.agreement import PURPOSE
from demo.client import Client
from demo.processes import DemoError

SCOPES = ["consortia:read", "silos:read", "datasets:read", "jobs:read", "jobs:write", "models:read"]
ROUNDS = 15
ACCURACY_POOLED_MIN = 0.72
ENDED = ("completed", "failed", "cancelled")


def request(consortium: str, datasets: dict[str, str]) -> dict[str, Any]:
    """Logistic regression, adaptive on the server; said to be in clear, because protection must be said."""
    return {
        "consortium": consortium,
        "name": "Heart disease from thirteen attributes",
        "purpose": "Show that four hospitals learn together what none can learn alone.",
        "use": PURPOSE,
        "task": "train",
        "datasets": list(datasets.values()),
        "protection": {"mode": "clear"},
        "model": {"family": "logistic"},
        "strategy": {"name": "fedadam", "learning_rate": 0.01},
        "local": {"steps": 100, "batch_size": 4, "learning_rate": 0.01, "optimiser": "sgd"},
        "rounds": ROUNDS,
        "quorum": len(datasets),
        "round_deadline_s": 120,
    }


@dataclass(frozen=True)
class SiloFigures:
    """How the model did on one silo's own test rows, before the first round and after the last."""

    silo: str
    organisation: str
    rows: int
    accuracy_before: float
    accuracy: float
    bytes_up: int
    bytes_down: int


@dataclass(frozen=True)
class Outcome:
    """What a completed job learned, and what it took. Bytes are those of models going down and updates coming up."""

    job_id: str
    strategy: str
    rounds: int
    silos: tuple[SiloFigures, ...]
    train_s: float

    @property
    def accuracy_pooled(self) -> float:
        """Correct over rows of all silos' own test rows, each scaled by its own training statistics."""
        return _share(self.silos, "accuracy")

    @property
    def accuracy_pooled_before(self) -> float:
        """The same before the first round."""
        return _share(self.silos, "accuracy_before")

    @property
    def bytes_up(self) -> int:
        """Of all silos and rounds."""
        return sum(silo.bytes_up for silo in self.silos)

    @property
    def bytes_down(self) -> int:
        """Of all silos and rounds."""
        return sum(silo.bytes_down for silo in self.silos)


def _share(silos: tuple[SiloFigures, ...], name: str) -> float:
    correct = sum(getattr(silo, name) * silo.rows for silo in silos)
    return float(correct / sum(silo.rows for silo in silos))


def outcome(client: Client, job_id: str) -> Outcome:
    """Read the figures of a completed job. Raises DemoError when a silo's are missing."""
    job = client.get(f"jobs/{job_id}/")
    metrics = list(client.all(f"jobs/{job_id}/metrics/"))
    rounds = list(client.all(f"jobs/{job_id}/rounds/"))
    before, after = _by_silo(metrics, 0), _by_silo(metrics, job["rounds_planned"])
    figures = []
    for member in job["cohort"]:
        silo = member["silo"]["name"]
        if silo not in before or silo not in after:
            raise DemoError(f"{silo} has not reported how the model does on its test rows.")
        orders = [order for entry in rounds for order in entry["orders"] if order["silo"]["name"] == silo]
        figures.append(
            SiloFigures(
                silo=silo,
                organisation=member["silo"]["organisation"]["name"],
                rows=after[silo]["rows_evaluated"],
                accuracy_before=before[silo]["accuracy"],
                accuracy=after[silo]["accuracy"],
                bytes_up=sum(order["bytes_up"] for order in orders),
                bytes_down=sum(order["bytes_down"] for order in orders),
            )
        )
    took = datetime.fromisoformat(job["ended_at"]) - datetime.fromisoformat(job["created_at"])
    strategy = str(job["request"]["strategy"]["name"])
    return Outcome(job_id, strategy, job["rounds_planned"], tuple(figures), took.total_seconds())


def _by_silo(metrics: list[dict[str, Any]], version_round: int) -> dict[str, dict[str, Any]]:
    """What each silo reported about the model that this round made (0: as it started)."""
    rows = [entry for entry in metrics if entry["version_round"] == version_round]
    return {one["silo"]["name"]: one for entry in rows for one in entry["silos"] if one["accuracy"] is not None}
