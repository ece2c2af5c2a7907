"""A target that only tests have goes through learning, report, REST and pages: no other line knows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.protocol.documents import DisclosureTerms, TrainingLimits
from registry.cards import card_of
from silos.models import Silo
from tests.support.cohort import Cohort, browser
from tests.support.every import every
from tests.support.federation import capabilities
from tests.support.plugins.added import add_parts
from tests.support.silo_work import bring_rows, work_through
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

DECLARED: dict[str, Any] = {
    "name": "visits",
    "title": "Visits",
    "header": True,
    "columns": [
        {"name": "age", "type": "number"},
        {"name": "ill", "type": "number"},
        {"name": "visits", "type": "integer"},
    ],
    "steps": [{"step": "target", "column": "visits", "kind": "counts"}, {"step": "standardise"}],
    "split": {"method": "stratified_shuffle", "train_fraction": 0.5, "seed": 1},
}


def rows_of(file: Path, seed: int) -> Path:
    random = np.random.default_rng(seed)
    age, ill = random.normal(60, 10, 200), random.normal(0, 1, 200)
    visits = random.poisson(np.exp(0.5 + 0.05 * (age - 60) + 0.3 * ill))
    lines = [f"{a:.3f},{i:.3f},{v}" for a, i, v in zip(age, ill, visits, strict=True)]
    file.write_text("\n".join(("age,ill,visits", *lines)) + "\n")
    return file


def test_an_added_target_is_learned_reported_and_shown(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_parts(monkeypatch)
    Silo.objects.update(capabilities=capabilities())  # their connectors have the new target and its family too
    files = [rows_of(tmp_path / f"{place}.csv", place) for place in range(3)]
    silos = [
        bring_rows(played, DECLARED, file, 200) for played, file in zip(cohort.federation.silos, files, strict=True)
    ]
    work = TrainingLimits(
        tasks=("train",), families=("poisson",), parameters_max=100, rounds_max=10, update_norm_l2_max=1e9
    )
    cohort.federation.agree(
        disclosure=DisclosureTerms(metrics=("deviance",), minimum_cell=5, round_models=True), training_limits=work
    )
    job = work_through(
        cohort.federation,
        silos,
        model={"family": "poisson"},
        local={"epochs": 3, "learning_rate": 0.05},
        rounds=3,
    )
    assert job.state == "completed", (job.reason_code, job.reason)
    assert job.model is not None
    versions = list(job.model.versions.order_by("round_number"))
    assert versions[-1].metrics["deviance"] < 1.5 < versions[0].metrics["deviance"]
    best = next(version for version in versions if version.is_best)
    assert best.metrics["deviance"] == min(version.metrics["deviance"] for version in versions)

    body = client_of(cohort.scientist).get(f"/api/v1/jobs/{job.id}/").json()
    assert (body["target"]["name"], set(body["metrics"]["figures"])) == ("counts", {"deviance"})
    assert card_of(best)["metrics"]["combined"]["figures"] == {"deviance": best.metrics["deviance"]}
    browsing = browser(cohort.scientist)
    for path in every(
        (f"/jobs/{job.id}/", f"/jobs/{job.id}/rounds/2/1/", f"/jobs/{job.id}/report/", f"/models/{job.model_id}/", "/")
    ):
        text = browsing.get(path).content.decode()
        assert "Deviance" in text, path
        assert "Accuracy" not in text, path
    text = browsing.get(f"/jobs/{job.id}/rounds/2/1/", headers={"accept-language": "de"}).content.decode()
    assert "jede Zeile zählt einmal" in text
    csv = b"".join(browsing.get(f"/jobs/{job.id}/figures.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert csv.splitlines()[0].endswith(",base_deviance")
