"""A job that learns a number, from the silos' files to every page: nothing of it is a class."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Invalid
from federation.evidence.passports import open_passport, sign_passport
from federation.protocol import documents
from federation.protocol.documents import DisclosureTerms
from federation.protocol.envelope import payload_unverified
from registry.models import ModelVersion, Passport
from silos import datasets
from tests.integration.evidence.test_evidence import everybody_signs_in, report_of
from tests.support.cohort import Cohort, browser, run_job
from tests.support.every import every
from tests.support.federation import DECLARATION, registration
from tests.support.silo_work import WorkingSilo, bring_rows, work_through
from tests.support.world import client_of
from training.engine import issuing
from training.launch.actions import launch
from training.models import Evaluation, Job, Order

pytestmark = pytest.mark.django_db

FIGURES = DisclosureTerms(metrics=("mse", "mae", "r2"), minimum_cell=5, round_models=True)
CHOL: dict[str, Any] = {
    "name": "cholesterol",
    "title": "Cholesterol",
    "steps": [
        {"step": "drop_columns", "columns": ["slope", "ca", "thal", "num"]},
        {"step": "map_values", "columns": ["chol"], "values": [{"value": 0, "to": None}]},
        {"step": "drop_rows_with_missing"},
        {"step": "target", "column": "chol", "kind": "real"},
        {"step": "one_hot", "columns": ["cp", "restecg"], "drop_first": True},
        {"step": "standardise", "ddof": 1, "epsilon": 1e-9, "fit": "train"},
    ],
}
FILES = ("processed.cleveland.data", "processed.hungarian.data", "processed.va.data")


@pytest.fixture
def silos(cohort: Cohort, heart_disease: Path) -> list[WorkingSilo]:
    """The three silos with three hospitals' real rows, and an agreement that lets these figures out."""
    declared = {name: value for name, value in DECLARATION.items() if name != "source"} | CHOL
    files = zip(cohort.federation.silos, FILES, strict=True)
    found = [bring_rows(played, declared, heart_disease / file, 300) for played, file in files]
    cohort.federation.agree(disclosure=FIGURES)
    return found


def learned(cohort: Cohort, silos: list[WorkingSilo], **changes: Any) -> Job:
    job = work_through(
        cohort.federation,
        silos,
        **{"model": {"family": "linear"}, "local": {"epochs": 2, "learning_rate": 0.02}, "rounds": 3, **changes},
    )
    assert job.state == "completed", (job.reason_code, job.reason)
    return job


def pooled(job: Job, number: int, name: str) -> float:
    """The mean over the rows of all silos, from what each has reported."""
    reported = Evaluation.objects.filter(version__model=job.model, version__round_number=number)
    assert reported.count() == 3
    return float(sum(one.figures[name] * one.rows for one in reported) / sum(one.rows for one in reported))


def test_cholesterol_is_learned_from_the_hospitals_files(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job = learned(cohort, silos)
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert (manifest.target, manifest.n_classes, manifest.target_kind.name) == ("real", None, "real")
    assert job.model is not None
    assert (job.model.target, job.model.n_classes) == ("real", None)
    versions = list(job.model.versions.order_by("round_number"))
    for version in every(versions):
        assert set(version.metrics) == {"mse", "mae", "silos", "combination"}
        assert version.metrics["mse"] == pytest.approx(pooled(job, version.round_number, "mse"))
        assert version.metrics["mae"] == pytest.approx(pooled(job, version.round_number, "mae"))
    assert versions[-1].metrics["mae"] < 75 < 200 < versions[0].metrics["mae"], "mg/dl"
    best = min(versions, key=lambda version: version.metrics["mse"])
    assert [version.is_best for version in versions] == [version == best for version in versions]


def test_rest_shows_a_number_s_figures_with_their_metrics(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job, client = learned(cohort, silos), client_of(cohort.scientist)
    body = client.get(f"/api/v1/jobs/{job.id}/").json()
    assert (body["target"]["name"], body["target"]["primary"], body["target"]["best_by"]) == ("real", "mae", "mse")
    metrics = {metric["name"]: metric for metric in body["target"]["metrics"]}
    assert {name: (one["better"], one["is_pooled"]) for name, one in metrics.items()} == {
        "mae": ("lower", True),
        "mse": ("lower", True),
        "r2": ("higher", False),
    }
    assert set(body["metrics"]) == {"silos", "combination", "figures"}
    assert set(body["metrics"]["figures"]) == {"mse", "mae"}
    assert [set(one["evaluation"]["figures"]) for one in body["cohort"]] == [{"mse", "mae", "r2"}] * 3
    assert {one["evaluation"]["accuracy"] for one in body["cohort"]} == {None}
    model = client.get(f"/api/v1/models/{job.model_id}/").json()
    assert (model["n_classes"], model["target"]["name"]) == (None, "real")
    card = client.get(f"/api/v1/model-versions/{model['best_version']}/card/").json()
    assert (card["target"]["column"], card["target"]["unit"], card["classes"]) == ("chol", "mg/dl", [])
    assert set(card["metrics"]["combined"]["figures"]) == {"mse", "mae"}
    assert set(card["metrics"]["silos"][0]) == {"organisation", "silo", "rows_evaluated", "figures"}
    dataset = client.get(f"/api/v1/datasets/{silos[0].played.dataset.id}/").json()  # type: ignore[union-attr]
    assert (dataset["target"], dataset["n_classes"], dataset["classes"]) == ("real", None, [])


def test_fields_of_classes_stay_and_figures_stand_beside_them(cohort: Cohort) -> None:
    job, client = run_job(cohort), client_of(cohort.scientist)
    body = client.get(f"/api/v1/jobs/{job.id}/").json()
    assert (body["metrics"]["accuracy"], body["metrics"]["auc"]) == (0.5, None)
    assert body["metrics"]["figures"] == {"loss": body["metrics"]["loss"], "accuracy": 0.5}
    assert (body["target"]["name"], body["target"]["primary"], body["target"]["best_by"]) == (
        "binary",
        "accuracy",
        "loss",
    )
    one = body["cohort"][0]["evaluation"]
    assert (one["accuracy"], one["loss"], one["auc"], one["confusion"]) == (0.5, one["figures"]["loss"], None, None)
    card = client.get(f"/api/v1/model-versions/{body['best_version']['id']}/card/").json()
    assert {"accuracy", "loss", "auc", "figures"} <= set(card["metrics"]["silos"][0])


def test_every_page_of_it_names_its_metrics_and_no_others(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job, browsing = learned(cohort, silos), browser(cohort.scientist)
    again = learned(cohort, silos, seed=7)
    consortium = cohort.federation.consortium.id
    pages = {
        f"/jobs/{job.id}/": {"Mean squared error", "Mean absolute error", "R²"},
        f"/jobs/{job.id}/rounds/2/1/": {"Mean squared error", "R²"},
        f"/jobs/{job.id}/report/": {"Mean squared error over all silos", "mean absolute error"},
        f"/models/{job.model_id}/": {"the best, by Mean squared error", "a number", "chol (mg/dl)"},
        f"/models/{job.model_id}/?round=0&with=3": {"Mean squared error, 0", "Mean squared error, 3"},
        f"/jobs/compare/?job={job.id}&job={again.id}": {"Mean absolute error"},
        "/models/": {"Mean absolute error", "a number"},
        f"/consortia/{consortium}/models/": {"Mean absolute error"},
        "/": {"Mean absolute error"},
        f"/consortia/{consortium}/": {"Mean absolute error"},
        f"/datasets/{silos[0].played.dataset.id}/": {"a number", "chol"},  # type: ignore[union-attr]
        f"/consortia/{consortium}/launch/": {"a number", "Linear regression"},
    }
    for path, expected in every(pages.items()):
        answer = browsing.get(path)
        assert answer.status_code == 200, path
        text = unescape(answer.content.decode()).lower()
        assert [words for words in expected if words.lower() not in text] == [], path
        assert [words for words in ("accuracy", ">auc<", "confusion", "none classes") if words in text] == [], path


def test_files_to_take_along_have_its_columns(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job, browsing = learned(cohort, silos), browser(cohort.scientist)
    text = b"".join(browsing.get(f"/jobs/{job.id}/figures.csv").streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [name for name in rows[0] if name.startswith("base_")] == ["base_mae", "base_mse", "base_r2"]
    assert all(float(row["base_mse"]) > 0 for row in rows)
    body = json.loads(b"".join(browsing.get(f"/jobs/{job.id}/figures.json").streaming_content))  # type: ignore[attr-defined]
    assert set(body["versions"][0]) == {"after_round", "figures", "best"}
    assert set(body["versions"][0]["figures"]) == {"mse", "mae"}


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"mse": 1e30, "mae": 1e15, "r2": -1e6}, ""),
        ({"mse": 1.23456, "mae": 1.0}, "answer.figures"),
        ({"mse": -1.0, "mae": 1.0}, "answer.figures"),
        ({"mse": 1.0, "mae": 1.0, "r2": 1.01}, "answer.figures"),
        ({"mse": 1.0, "mae": 1.0, "r2": -1e7}, "answer.figures"),
        ({"accuracy": 1.0}, "answer.figures"),
    ],
)
def test_a_poisoned_silo_breaks_neither_pages_nor_the_best_version(
    cohort: Cohort, silos: list[WorkingSilo], figures: dict[str, float], code: str
) -> None:
    """It says what it likes of every model but the first: its word is refused, or counts within bounds."""
    poisoned = silos[0].played.silo.id
    cohort.federation.agree(disclosure=DisclosureTerms(metrics=("mse", "mae", "r2", "accuracy"), minimum_cell=5))
    real = WorkingSilo.carry_out

    def lies(silo: WorkingSilo, order: Order) -> bytes:
        sealed = real(silo, order)
        if silo.played.silo.id != poisoned or order.round.number == 1:
            return sealed
        document = documents.read(documents.Submission, payload_unverified(sealed))
        assert document.evaluation is not None
        report = document.evaluation.model_copy(update={"figures": figures})
        return documents.sign_document(document.model_copy(update={"evaluation": report}), silo.played.identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkingSilo, "carry_out", lies)
        job = learned(cohort, silos)
    states = Order.objects.filter(step__round__job=job, silo_id=poisoned, step__round__number__gt=1)
    assert {(order.state, order.code) for order in states} == {("rejected", code) if code else ("applied", "")}
    assert job.model is not None
    best = ModelVersion.objects.get(model=job.model, is_best=True)
    assert best.round_number > 0, "what the honest silos say of later models wins over the untrained one"
    honest = [one.figures["mse"] for one in best.evaluations.exclude(silo_id=poisoned)]
    assert min(honest) <= best.metrics["mse"] <= 10 * max(honest)
    browsing = browser(cohort.scientist)
    for path in every(
        (f"/jobs/{job.id}/", f"/jobs/{job.id}/report/", f"/models/{job.model_id}/", f"/jobs/{job.id}/rounds/2/1/")
    ):
        page = browsing.get(path)
        assert page.status_code == 200, path
        text = page.content.decode()
        for drawn in re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
            json.loads(drawn, parse_constant=pytest.fail)
        read = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
        assert not re.search(r"\b\d{15,}\b|\bnan\b|\binf\b|Infinity", read), path


def test_a_model_of_numbers_is_not_tried_on_classes(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job = learned(cohort, silos)
    assert job.model is not None
    version = job.model.versions.latest("round_number")
    other = [datasets.register(registration=registration(one.played), by=one.played.silo) for one in silos]
    request = {
        **cohort.federation.request(datasets=[str(one.id) for one in other], model_version=str(version.id)),
        "task": "evaluate",
    }
    for name in ("model", "strategy", "local", "rounds"):
        del request[name]
    with pytest.raises(Invalid) as caught:
        launch(consortium=cohort.federation.consortium, request=request, by=cohort.scientist)
    assert caught.value.code == "model.does_not_fit"


@pytest.mark.parametrize("family", ["logistic", "softmax"])
def test_families_of_classes_are_refused_for_a_number(cohort: Cohort, silos: list[WorkingSilo], family: str) -> None:
    request = cohort.federation.request(model={"family": family})
    with pytest.raises(Invalid) as caught:
        launch(consortium=cohort.federation.consortium, request=request, by=cohort.scientist)
    assert caught.value.code == "model.does_not_fit"


def test_its_evidence_holds_and_figures_that_nobody_signed_do_not(cohort: Cohort, silos: list[WorkingSilo]) -> None:
    job = learned(cohort, silos)
    everybody_signs_in(cohort.federation)
    report = report_of(job)
    assert report.holds, (report.faults, report.limits)
    assert job.model is not None
    best = ModelVersion.objects.get(model=job.model, is_best=True)
    passport = Passport.objects.get(version=best)
    key = issuing.signing_key()
    digest, statement = open_passport(bytes(passport.document), [key.public])
    assert statement.evaluation.all_figures == pytest.approx({name: best.metrics[name] for name in ("mse", "mae")})
    better = statement.evaluation.model_copy(update={"figures": {**statement.evaluation.figures, "mse": 1.0}})
    passport.document = sign_passport(digest, statement.model_copy(update={"evaluation": better}), key)
    passport.save(update_fields=["document"])
    rows = [fault.what for fault in report_of(job).faults if fault.code == "passport.other_evaluation"]
    assert [what.partition(".")[0] for what in rows] == ["Its mse is 1"]
