"""REST of jobs: quote, launch, control, and what is reported of rounds and figures."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from audit.models import Event
from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from registry.models import ModelVersion
from silos import actions as silo_actions
from silos import datasets
from silos.models import Silo
from tests.support.cohort import Cohort, last_version, run_job
from tests.support.federation import TEST, registration
from tests.support.world import client_of
from training.engine import answers, closing
from training.models import Evaluation, Job, Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def scientist(cohort: Cohort) -> APIClient:
    return client_of(cohort.scientist)


def body_of(cohort: Cohort, **changes: Any) -> dict[str, Any]:
    """A launch over all silos, changed; a value of None leaves the member out."""
    body = {"consortium": str(cohort.federation.consortium.id), **cohort.federation.request(), **changes}
    return {name: value for name, value in body.items() if value is not None}


def test_a_job_is_launched_and_reported(cohort: Cohort, scientist: APIClient) -> None:
    answer = scientist.post("/api/v1/jobs/", body_of(cohort, seed=5), format="json")
    body = answer.json()
    job = Job.objects.get()
    assert (answer.status_code, body["id"], body["state"]) == (201, str(job.id), "queued")
    assert (body["rounds_planned"], body["quorum"], body["request"]["seed"]) == (2, 2, 5)
    assert [member["order"] for member in body["cohort"]] == [None, None, None]
    assert body["launched_by"]["full_name"] == "Dana Data"
    assert scientist.get(f"/api/v1/jobs/{job.id}/").json() == body
    assert scientist.get(f"/api/v1/jobs/{job.id}/manifest/").json()["code"] == "manifest.not_found"


def test_a_launch_sent_twice_is_launched_once(cohort: Cohort, scientist: APIClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = scientist.post("/api/v1/jobs/", body_of(cohort), format="json", headers=headers)
    second = scientist.post("/api/v1/jobs/", body_of(cohort), format="json", headers=headers)
    assert first.json() == second.json()
    other = scientist.post("/api/v1/jobs/", body_of(cohort, seed=1), format="json", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert Job.objects.count() == 1


BAD: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"consortium": None}, 422, "input.invalid", "consortium"),
    ({"consortium": str(uuid4())}, 404, "consortium.not_found", None),
    ({"protection": None}, 422, "job.protection", "protection"),
    ({"protection": {"mode": "masked"}}, 422, "job.protection", "protection.mode"),
    ({"protection": "clear"}, 422, "job.protection", "protection"),
    ({"name": ""}, 422, "job.invalid", "name"),
    ({"name": 5}, 422, "job.invalid", "name"),
    ({"name": "a\x00b"}, 400, "request.nul", None),
    ({"colour": "red"}, 422, "job.invalid", "colour"),
    ({"datasets": []}, 422, "job.invalid", "datasets"),
    ({"datasets": [str(uuid4())], "quorum": 1}, 422, "dataset.unknown", "datasets.0"),
    ({"quorum": 0}, 422, "job.invalid", "quorum"),
    ({"quorum": 4}, 422, "job.invalid", "quorum"),
    ({"rounds": 0}, 422, "job.invalid", "rounds"),
    ({"rounds": 10**400}, 422, "job.invalid", "rounds"),
    ({"rounds": 1.5}, 422, "job.invalid", "rounds"),
    ({"round_deadline_s": 10**300}, 422, "job.invalid", "round_deadline_s"),
    ({"seed": -1}, 422, "job.invalid", "seed"),
    ({"model": None}, 422, "job.invalid", "model"),
    ({"model": {"family": "oracle"}}, 422, "model.unknown_family", "model.family"),
    ({"model": {"family": ["mlp"]}}, 422, "model.unknown_family", "model.family"),
    ({"model": {"family": "mlp", "hidden": [0]}}, 422, "model.invalid", "model.hidden.0"),
    ({"model": {"family": "mlp", "hidden": [65536] * 16}}, 422, "model.too_large", None),
    ({"strategy": {"name": "fedmagic"}}, 422, "strategy.unknown", "strategy.name"),
    ({"strategy": {"name": "fedadam", "beta1": 1}}, 422, "strategy.invalid", "strategy.beta1"),
    ({"local": {"epochs": 1, "steps": 1}}, 422, "local.invalid", "local"),
    ({"local": {"epochs": 1, "batch_size": 0}}, 422, "local.invalid", "local.batch_size"),
    ({"limits": {"minimum_cell": 0}}, 422, "job.invalid", "limits.minimum_cell"),
    ({"task": "evaluate", "model": None}, 422, "job.invalid", "model_version"),
    ({"task": "evaluate", "model": None, "model_version": str(uuid4())}, 422, "model.unknown", "model_version"),
]


@pytest.mark.parametrize(("changes", "status", "code", "field"), BAD)
def test_a_bad_launch_is_refused_with_code_and_field_and_so_is_its_quote(
    cohort: Cohort, scientist: APIClient, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    for path in ("/api/v1/jobs/", "/api/v1/jobs/quote/"):
        answer = scientist.post(path, body_of(cohort, **changes), format="json")
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
        assert list(answer.json().get("fields", {})) == ([field] if field else []), answer.content
    assert not Job.objects.exists()


def test_all_that_is_wrong_is_reported_at_once(cohort: Cohort, scientist: APIClient) -> None:
    wrong = {
        "protection": None,
        "quorum": 4,
        "rounds": "many",
        "colour": "red",
        "model": {"family": "oracle"},
        "strategy": {"name": "fedadam", "beta1": 1, "tau": 0},
        "local": {"epochs": "few"},
    }
    for path in ("/api/v1/jobs/", "/api/v1/jobs/quote/"):
        answer = scientist.post(path, body_of(cohort, **wrong), format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "job.invalid")
        assert set(answer.json()["fields"]) == {
            *("protection", "quorum", "rounds", "colour", "model.family"),
            *("strategy.beta1", "strategy.tau", "local.epochs"),
        }
    assert not Job.objects.exists()


def test_an_unknown_value_is_answered_with_the_fields_name(cohort: Cohort, scientist: APIClient) -> None:
    answer = scientist.post("/api/v1/jobs/", body_of(cohort, use={"category": "astrology"}), format="json")
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == ["use.category"]


def test_a_name_that_holds_a_token_is_refused_and_nothing_kept(cohort: Cohort, scientist: APIClient) -> None:
    answer = scientist.post("/api/v1/jobs/", body_of(cohort, name="cns_" + "a" * 40), format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "text.secret")
    assert not Job.objects.exists()


def test_datasets_that_do_not_go_together_are_refused(cohort: Cohort, scientist: APIClient) -> None:
    def code_of(**changes: Any) -> str:
        return str(scientist.post("/api/v1/jobs/", body_of(cohort, **changes), format="json").json()["code"])

    ids = body_of(cohort)["datasets"]
    first = cohort.federation.silos[0]
    steps = [{**step, "drop_first": False} if step["step"] == "one_hot" else step for step in _steps(cohort)]
    other = datasets.register(registration=registration(first, name="other", steps=steps), by=first.silo)
    assert code_of(datasets=[str(other.id), *ids[1:]]) == "dataset.schemas_differ"
    refused = scientist.post("/api/v1/jobs/", body_of(cohort, datasets=[ids[1], str(other.id)]), format="json").json()
    assert "feature 9 is cp=2 in the one and cp=1 in the other" in refused["fields"]["datasets"][0]
    columns = [
        {name: value for name, value in column.items() if value is not None} | ({"unit": "months"} if not place else {})
        for place, column in enumerate(cohort.dataset.declaration["columns"])
    ]
    other = datasets.register(registration=registration(first, name="other", columns=columns), by=first.silo)
    refused = scientist.post("/api/v1/jobs/", body_of(cohort, datasets=[ids[1], str(other.id)]), format="json").json()
    assert "column age has the unit years in the one and months in the other" in refused["fields"]["datasets"][0]
    columns = [columns[-1], *columns[:-1]]
    columns[1]["unit"] = "years"
    other = datasets.register(registration=registration(first, name="other", columns=columns), by=first.silo)
    quoted = scientist.post("/api/v1/jobs/quote/", body_of(cohort, datasets=[ids[1], str(other.id)]), format="json")
    assert quoted.status_code == 200, "the target's place among the columns means nothing"
    assert code_of(datasets=[str(other.id), *ids]) == "dataset.silo_twice"
    datasets.withdraw(dataset=other, by=cohort.steward)
    assert code_of(datasets=[str(other.id)], quorum=1) == "dataset.unknown"
    silo_actions.revoke(silo=first.silo, by=cohort.steward)
    assert code_of() == "silo.not_active"
    assert not Job.objects.exists()


def _steps(cohort: Cohort) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in step.items() if value is not None}
        for step in cohort.dataset.declaration["steps"]
    ]


def test_a_model_that_does_not_fit_is_refused(cohort: Cohort, scientist: APIClient) -> None:
    version = last_version(run_job(cohort, rounds=1))
    version.model.n_features = 99
    version.model.save(update_fields=["n_features"])
    body = body_of(cohort, task="evaluate", model=None, model_version=str(version.id))
    answer = scientist.post("/api/v1/jobs/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "model.does_not_fit")


def test_a_quote_shows_silos_rows_and_bytes(cohort: Cohort, scientist: APIClient) -> None:
    body = scientist.post("/api/v1/jobs/quote/", body_of(cohort, quorum=None, rounds=10), format="json").json()
    assert {row["silo"]["name"] for row in body["silos"]} == {played.silo.name for played in cohort.federation.silos}
    assert (body["rows_coarse"], body["quorum"], body["parameters"]) == (900, 3, 14)
    size = body["model_size_bytes"]
    assert body["bytes_up_per_round"] == body["bytes_down_per_round"] == 3 * size
    assert body["bytes_total"] == 10 * 6 * size + 3 * size
    job = run_job(cohort, rounds=1)
    assert last_version(job).size_bytes == size
    version = str(last_version(job).id)
    look = body_of(cohort, task="evaluate", model=None, model_version=version)
    body = scientist.post("/api/v1/jobs/quote/", look, format="json").json()
    assert (body["rounds"], body["bytes_up_per_round"], body["bytes_total"]) == (0, 0, 3 * size)


def test_rounds_metrics_and_manifest_of_a_finished_job(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort)
    path = f"/api/v1/jobs/{job.id}/"
    rounds = scientist.get(f"{path}rounds/").json()["results"]
    assert [(row["number"], row["attempt"], row["kind"], row["state"]) for row in rounds] == [
        (1, 1, "train", "closed"),
        (2, 1, "train", "closed"),
        (3, 1, "evaluate", "closed"),
    ]
    assert {order["state"] for row in rounds for order in row["orders"]} == {"applied"}
    assert rounds[0]["bytes_up"] == sum(order["bytes_up"] for order in rounds[0]["orders"]) == 600
    assert "rows" not in rounds[0]["orders"][0]
    metrics = scientist.get(f"{path}metrics/").json()["results"]
    assert [row["version_round"] for row in metrics] == [0, 1, 2]
    assert metrics[0]["combined"]["silos"] == 3
    assert metrics[0]["silos"][0]["rows_evaluated"] == 10
    body = scientist.get(path).json()
    assert (body["state"], body["rounds_closed"], body["metrics"]["accuracy"]) == ("completed", 3, 0.5)
    assert body["best_version"]["round_number"] == 2
    envelope = scientist.get(f"{path}manifest/")
    assert envelope.content == bytes(job.manifest or b"")
    manifest = documents.read(documents.Manifest, payload_unverified(envelope.content))
    assert str(manifest.job_id) == body["id"]


def test_what_could_point_at_somebody_is_left_out(cohort: Cohort, scientist: APIClient) -> None:
    """Also where an earlier platform has kept it: today such answers are rejected, and nothing of them is kept."""
    job = run_job(cohort, rounds_answered=0)
    kept: list[dict[str, Any]] = [
        {"rows": 20, "accuracy": 0.5, "confusion": [[5, 5], [5, 5]]},
        {"rows": 20, "accuracy": 0.5, "confusion": [[9, 1], [5, 5]]},
        {"rows": 3, "accuracy": 1.0, "auc": 1.0},
    ]
    orders = list(Order.objects.filter(step__round__job=job).order_by("silo__name"))
    for order, report in zip(orders, kept, strict=True):
        played = cohort.federation.played(order.silo_id)
        answers.answer(document=played.train(order, 0.1), by=played.silo)
        rows = report.pop("rows")
        Evaluation.objects.filter(order=order).update(rows=rows, figures={"loss": 0.5, **report})
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    assert Evaluation.objects.count() == 3
    shown = scientist.get(f"/api/v1/jobs/{job.id}/metrics/").json()["results"][0]["silos"]
    assert [row["confusion"] for row in shown] == [[[5, 5], [5, 5]], None, None]
    assert [row["rows_evaluated"] for row in shown] == [20, 20, None]
    assert [row["accuracy"] for row in shown] == [0.5, 0.5, None]
    assert [row["auc"] for row in shown] == [None, None, None]
    first = ModelVersion.objects.get(model=Job.objects.get().model, round_number=0)
    card = scientist.get(f"/api/v1/model-versions/{first.id}/card/").json()["metrics"]["silos"]
    assert [row["rows_evaluated"] for row in card] == [20, 20, None]
    assert [row["accuracy"] for row in card] == [0.5, 0.5, None]
    assert [row["auc"] for row in card] == [None, None, None]


def test_the_cohort_shows_what_each_silo_does(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort, rounds_answered=0)
    first, second, _ = Order.objects.filter(step__round__job=job).order_by("silo__name")
    refusing, training = cohort.federation.played(first.silo_id), cohort.federation.played(second.silo_id)
    answers.answer(document=refusing.refuse(first), by=refusing.silo)
    answers.answer(document=training.train(second, 0.1), by=training.silo)
    body = scientist.get(f"/api/v1/jobs/{job.id}/").json()
    assert (body["current_round"]["number"], body["current_round"]["answered"]) == (1, 1)  # a refusal does not count
    outcomes = {name: count for name, count in body["current_round"]["outcomes"].items() if count}
    assert outcomes == {"included": 1, "refused": 1, "pending": 1}
    orders = {member["silo"]["id"]: member["order"] for member in body["cohort"]}
    assert orders[str(first.silo_id)]["state"] == "refused"
    assert orders[str(first.silo_id)]["code"] == "data.unreadable"
    assert orders[str(second.silo_id)]["state"] == "submitted"


def test_a_job_is_paused_resumed_and_cancelled_once_each(cohort: Cohort, scientist: APIClient) -> None:
    path = f"/api/v1/jobs/{run_job(cohort, rounds_answered=0).id}/"

    def asked(action: str) -> tuple[int, str]:
        answer = scientist.post(f"{path}{action}/")
        return answer.status_code, answer.json().get("code") or answer.json()["state"]

    assert asked("resume") == (409, "job.wrong_state")
    assert asked("pause") == (200, "paused")
    assert asked("pause") == (409, "job.wrong_state")
    paused = scientist.get(path).json()
    by_name = {name: paused[name] for name in ("reason_code", "reason_params", "reason")}
    assert by_name == {
        "reason_code": "job.paused_by_request",
        "reason_params": {"who": "Dana Data"},
        "reason": "Paused by Dana Data.",
    }
    assert Job.objects.values_list("reason", flat=True).get() == "", "no sentence is kept"
    streamed = scientist.get(f"{path}events/").content.decode().partition("event: job.paused\ndata: ")[2]
    detail = json.loads(streamed.splitlines()[0])["detail"]
    assert detail == {
        "code": "job.paused_by_request",
        "params": {"who": "Dana Data"},
        "reason": "Paused by Dana Data.",
    }
    kept = Event.objects.get(verb="job.paused").detail
    assert kept == {"code": "job.paused_by_request", "params": {"who": "Dana Data"}}, "words are not part of the record"
    assert asked("resume") == (200, "running")
    assert asked("cancel") == (200, "cancelled")
    for action in ("pause", "resume", "cancel"):
        assert asked(action) == (409, "job.wrong_state")


def test_a_queued_job_is_not_resumed(cohort: Cohort, scientist: APIClient) -> None:
    job = scientist.post("/api/v1/jobs/", body_of(cohort), format="json").json()
    answer = scientist.post(f"/api/v1/jobs/{job['id']}/resume/")
    assert (answer.status_code, answer.json()["code"]) == (409, "job.wrong_state")
    assert scientist.post(f"/api/v1/jobs/{job['id']}/cancel/").json()["state"] == "cancelled"


def test_jobs_are_found_by_consortium_state_and_task(cohort: Cohort, scientist: APIClient) -> None:
    done, running = run_job(cohort, rounds=1), run_job(cohort, rounds_answered=0)

    def found(query: str) -> list[str]:
        return [row["id"] for row in scientist.get(f"/api/v1/jobs/?{query}").json()["results"]]

    assert found("") == [str(running.id), str(done.id)]
    assert found("state=completed") == [str(done.id)]
    assert len(found("state=completed&state=running")) == 2
    assert found("task=evaluate") == []
    assert len(found(f"consortium={cohort.federation.consortium.id}")) == 2
    assert scientist.get(f"/api/v1/jobs/?consortium={uuid4()}").status_code == 404
    assert scientist.get("/api/v1/jobs/?state=tired").json()["fields"].keys() == {"state"}
    assert len(scientist.get("/api/v1/jobs/?page_size=1").json()["results"]) == 1
    rounds = scientist.get(f"/api/v1/jobs/{done.id}/rounds/?state=closed&page_size=1").json()
    assert rounds["next"]
    assert len(rounds["results"]) == 1


def test_the_events_so_far_go_on_after_the_last_that_is_known(cohort: Cohort, scientist: APIClient) -> None:
    path = f"/api/v1/jobs/{run_job(cohort, rounds=1).id}/events/"
    response = scientist.get(path, headers={"Accept": "text/event-stream"})
    assert response["Content-Type"].startswith("text/event-stream")
    events = response.content.decode().strip().split("\n\n")
    assert events[0].splitlines()[1] == "event: job.launched"
    assert events[-1].splitlines()[0] == "event: end"
    last = events[-2].splitlines()[0].removeprefix("id: ")
    assert scientist.get(path, headers={"Last-Event-ID": last}).content == b"event: end\ndata: {}\n\n"
    assert json.loads(events[0].splitlines()[2].removeprefix("data: "))["actor"] == "Dana Data"


def test_every_job_of_a_revoked_silo_still_reads(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort, rounds_answered=1)
    silo_actions.revoke(silo=cohort.silo, by=cohort.steward)
    body = scientist.get(f"/api/v1/jobs/{job.id}/").json()
    states = {member["silo"]["id"]: member["silo_state"] for member in body["cohort"]}
    assert states[str(cohort.silo.id)] == Silo.State.REVOKED


def test_reading_takes_as_many_questions_whatever_the_size(
    cohort: Cohort, scientist: APIClient, django_assert_max_num_queries: Any
) -> None:
    path = f"/api/v1/jobs/{run_job(cohort, rounds=6).id}/"
    for address, most in (("", 20), ("rounds/", 14), ("metrics/", 14)):
        with django_assert_max_num_queries(most):
            scientist.get(f"{path}{address}")
    with django_assert_max_num_queries(8):
        scientist.get("/api/v1/jobs/")


def test_a_round_is_looked_for_by_a_whole_number(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort, rounds_answered=0)
    address = f"/api/v1/jobs/{job.id}/rounds/"
    assert scientist.get(address, {"number": "0.5"}).status_code == 422
    assert [one["number"] for one in scientist.get(address, {"number": "1"}).json()["results"]] == [1]
