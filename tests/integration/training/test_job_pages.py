"""The pages of jobs: the list, the page that moves, the launch forms, the controls."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.cohort import Cohort, browser, last_version, run_job
from tests.support.every import every
from training.models import Job
from training.transitions import JobState

pytestmark = pytest.mark.django_db


def form_of(cohort: Cohort, **changes: Any) -> dict[str, Any]:
    """What somebody types into the launch form."""
    return {
        "name": "Typed",
        "purpose": "",
        "datasets": [str(played.dataset.id) for played in cohort.federation.silos if played.dataset],
        "protection": "clear",
        "quorum": "",
        "round_deadline_s": "600",
        "retries_max": "3",
        "rounds": "4",
        "seed": "7",
        "model": "mlp",
        "model.mlp.hidden": "8, 4",
        "model.mlp.activation": "tanh",
        "strategy": "fedadam",
        "strategy.fedadam.learning_rate": "0.05",
        "strategy.fedadam.beta1": "",
        "local.epochs": "2",
        "local.batch_size": "16",
        "local.learning_rate": "0.1",
        "local.optimiser": "sgd",
        **changes,
    }


def launch_path(cohort: Cohort) -> str:
    return f"/consortia/{cohort.federation.consortium.id}/launch/"


def test_a_finished_job_shows_everything(cohort: Cohort) -> None:
    job = run_job(cohort)
    page = browser(cohort.scientist).get(f"/jobs/{job.id}/").content.decode()
    assert "completed" in page
    assert "0.500" in page
    for played in every(cohort.federation.silos):
        assert played.silo.name in page
    assert "round.closed" in page
    assert "job.js" not in page
    assert job.manifest_digest in browser(cohort.scientist).get(f"/jobs/{job.id}/configuration/").content.decode()
    assert "Pause…" not in page


def test_a_running_job_can_be_followed_and_steered(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = browser(cohort.scientist)
    page = client.get(f"/jobs/{job.id}/").content.decode()
    assert f'data-live="/jobs/{job.id}/live/"' in page
    assert "js/job.js" in page
    assert "<script>" not in page
    live = client.get(f"/jobs/{job.id}/live/").content.decode()
    assert "0 of 3 silos have answered" in live
    assert "Pause…" in live
    assert "<html" not in live
    assert client.get(f"/jobs/{job.id}/pause/").status_code == 200
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    client.post(f"/jobs/{job.id}/pause/")
    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    assert "Paused by" in client.get(f"/jobs/{job.id}/").content.decode()
    client.post(f"/jobs/{job.id}/resume/")
    client.post(f"/jobs/{job.id}/cancel/")
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    refused = client.post(f"/jobs/{job.id}/pause/", follow=True).content.decode()
    assert "can&#x27;t become paused" in refused


def test_a_refusal_is_shown_with_its_code(cohort: Cohort) -> None:
    from training.engine.answers import answer
    from training.models import Order

    job = run_job(cohort, rounds_answered=0)
    order = Order.objects.filter(step__round__job=job).first()
    assert order is not None
    played = cohort.federation.played(order.silo_id)
    answer(document=played.refuse(order, "data.bad_value"), by=played.silo)
    client = browser(cohort.scientist)
    for path in (f"/jobs/{job.id}/", f"/jobs/{job.id}/rounds/1/1/", f"/silos/{order.silo_id}/"):
        assert "data.bad_value" in client.get(path).content.decode(), path


def test_rounds_have_a_list_and_a_page_each(cohort: Cohort) -> None:
    job = run_job(cohort)
    client = browser(cohort.neighbour)
    page = client.get(f"/jobs/{job.id}/rounds/").content.decode()
    assert f"/jobs/{job.id}/rounds/3/1/" in page
    one = client.get(f"/jobs/{job.id}/rounds/2/1/").content.decode()
    assert "the model after round 1" in one
    assert "withheld" in one
    assert client.get(f"/jobs/{job.id}/rounds/99/1/").status_code == 404
    assert client.get(f"/jobs/{job.id}/rounds/{2**70}/1/").status_code == 404


def test_the_list_is_of_one_consortium_or_of_all(cohort: Cohort) -> None:
    run_job(cohort)
    client, consortium = browser(cohort.scientist), cohort.federation.consortium
    page = client.get(f"/jobs/?consortium={consortium.id}").content.decode()
    assert "Heart disease" in page
    assert f"/consortia/{consortium.id}/launch/" in page
    assert "Heart disease" in client.get("/jobs/").content.decode()
    assert client.get("/jobs/?consortium=nonsense").status_code == 404
    assert "Heart disease" not in browser(cohort.outsider).get("/jobs/").content.decode()


def test_the_list_is_narrowed_and_jobs_are_chosen_to_compare(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    going, ended = run_job(cohort, rounds_answered=0, name="Still going"), run_job(cohort, name="All done")
    client = browser(cohort.scientist)

    def listed(query: str) -> set[str]:
        page = client.get(f"/jobs/?{query}").content.decode()
        return {job.name for job in (going, ended) if f"/jobs/{job.id}/" in page}

    assert listed("") == {"Still going", "All done"}
    assert listed("state=running") == listed("state=going") == listed("q=still") == {"Still going"}
    assert listed("state=ended") == listed("state=completed&q=done") == {"All done"}
    assert listed("state=failed") == listed("q=%27%3B--") == set()
    assert listed("state=nonsense") == {"Still going", "All done"}
    page = client.get("/jobs/").content.decode()
    for job in (going, ended):
        assert f'form="compare" name="job" value="{job.id}"' in page
    assert client.get(f"/jobs/compare/?job={going.id}&job={ended.id}").status_code == 200
    monkeypatch.setattr("training.reading.views.PAGE_SIZE", 1)
    assert "?q=l&amp;page=2" in client.get("/jobs/?consortium=&q=l&page=1").content.decode()


def test_who_may_not_is_informed(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    consortium = cohort.federation.consortium
    paths = [f"/jobs/{job.id}/", f"/jobs/{job.id}/live/", f"/jobs/{job.id}/rounds/", f"/jobs/{job.id}/rounds/1/1/"]
    paths += [f"/jobs/{job.id}/{part}/" for part in ("charts", "silos", "configuration", "events")]
    for path in [*paths, f"/jobs/{job.id}/cancel/", f"/consortia/{consortium.id}/launch/"]:
        assert browser(cohort.outsider).get(path).status_code == 404, path
        assert Client().get(path).status_code == 302, path
    assert browser(cohort.neighbour).get(launch_path(cohort)).status_code == 403
    assert browser(cohort.neighbour).post(f"/jobs/{job.id}/cancel/").status_code == 403
    assert "Pause…" not in browser(cohort.neighbour).get(f"/jobs/{job.id}/").content.decode()
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_the_form_launches_what_was_typed(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    assert client.get(launch_path(cohort)).status_code == 200
    answer = client.post(launch_path(cohort), form_of(cohort))
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.id}/"
    assert job.request["model"] == {"family": "mlp", "hidden": [8, 4], "activation": "tanh"}
    assert job.request["strategy"] == {"name": "fedadam", "learning_rate": 0.05}
    assert job.request["local"] == {"epochs": 2, "batch_size": 16, "learning_rate": 0.1, "optimiser": "sgd"}
    assert (job.rounds_planned, job.quorum, job.request["seed"]) == (4, 3, 7)


@pytest.mark.parametrize(
    ("changes", "reported_value"),
    [
        ({"name": ""}, "This field is required."),
        ({"protection": ""}, "Nobody trains in clear by default."),
        ({"datasets": []}, "Choose at least one dataset."),
        ({"datasets": ["61cbb2f5-5bb6-4b0c-9d4c-1f1c2d6fdc2d"]}, "Select a valid choice"),
        ({"quorum": "0"}, "greater than or equal to 1"),
        ({"quorum": "9"}, "The quorum is larger than the number of silos"),
        ({"rounds": "many"}, "Enter a whole number."),
        ({"model.mlp.hidden": "8, eight"}, "Whole numbers, separated by commas."),
        ({"model.mlp.hidden": ""}, "model.invalid"),
        ({"model.mlp.hidden": "65536, 65536, 65536"}, "model.too_large"),
        ({"strategy.fedadam.beta1": "1"}, "strategy.invalid"),
        ({"local.steps": "5"}, "Give either steps or epochs"),
        ({"local.optimiser": "adam", "local.momentum": "0.5"}, "Momentum belongs to sgd"),
        ({"name": "a\x00b"}, "A name is one line"),
    ],
)
def test_what_is_wrong_is_reported_and_what_was_typed_stays(
    cohort: Cohort, changes: dict[str, Any], reported_value: str
) -> None:
    answer = browser(cohort.scientist).post(launch_path(cohort), form_of(cohort, **{"purpose": "stays", **changes}))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert reported_value in page
    assert "stays" in page
    assert 'value="tanh" selected' in page
    assert not Job.objects.exists()


def test_an_error_stands_at_its_field(cohort: Cohort) -> None:
    answer = browser(cohort.scientist).post(launch_path(cohort), form_of(cohort, **{"strategy.fedadam.beta1": "1"}))
    assert set(answer.context["form"].errors) == {"strategy.fedadam.beta1"}
    changes = {"model": "logistic", "datasets": form_of(cohort)["datasets"], "local.batch_size": "100000"}
    answer = browser(cohort.scientist).post(launch_path(cohort), form_of(cohort, **changes))
    assert set(answer.context["form"].errors) == {"local.batch_size"}


def test_everything_is_reported_at_once_each_at_its_field(cohort: Cohort) -> None:
    wrong = {
        "name": "",
        "quorum": "9",
        "model.mlp.hidden": "0, 8",
        "strategy.fedadam.beta1": "1",
        "strategy.fedadam.tau": "0",
        "local.momentum": "1",
        "local.steps": "-1",
    }
    answer = browser(cohort.scientist).post(launch_path(cohort), form_of(cohort, **wrong))
    errors = answer.context["form"].errors
    assert set(errors) == set(wrong)
    assert errors["name"] == ["This field is required."]
    assert errors["quorum"] == ["The quorum is larger than the number of silos. (job.invalid)"]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "“heart” is not written as it has to be, such as: ICD-10:I25, ICD-10:I25.1, MONDO:0005010"),
        ("de", "„heart“ ist nicht so geschrieben, wie es sein muss; zum Beispiel: ICD-10:I25, ICD-10:I25.1"),
    ],
)
def test_a_code_that_is_badly_written_is_reported_in_words(cohort: Cohort, language: str, said: str) -> None:
    """Also in the part of the page that is asked for while the form is filled in."""
    typed = form_of(cohort, **{"use.category": "disease", "use.diseases": "ICD-10:I25, heart"})
    client, headers = browser(cohort.scientist), {"Accept-Language": language}
    for address in (launch_path(cohort), f"{launch_path(cohort)}preview/"):
        page = client.post(address, typed, headers=headers).content.decode()
        assert said in page, address
        assert "MONDO:[0-9]" not in page, address
    errors = client.post(launch_path(cohort), typed, headers=headers).context["form"].errors
    assert set(errors) == {"use.diseases"}


def test_a_quote_is_shown_and_nothing_launched(cohort: Cohort) -> None:
    answer = browser(cohort.scientist).post(launch_path(cohort), form_of(cohort, quote="yes", model="logistic"))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "What it takes" in page
    assert "<dt>Parameters</dt><dd>14</dd>" in page
    assert not Job.objects.exists()


def test_a_stored_model_can_be_evaluated(cohort: Cohort) -> None:
    version = last_version(run_job(cohort))
    client, path = browser(cohort.scientist), f"/model-versions/{version.id}/evaluate/"
    assert "Evaluation of Heart disease, round 2" in client.get(path).content.decode()
    client.post(path, form_of(cohort))
    job = Job.objects.latest("created_at")
    assert (job.task, job.evaluated_version) == ("evaluate", version)
    assert browser(cohort.neighbour).get(path).status_code == 403
    assert browser(cohort.outsider).get(path).status_code == 404


def test_the_page_asks_as_many_questions_whatever_its_size(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    job = run_job(cohort, rounds=6)
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(28):
        client.get(f"/jobs/{job.id}/")
    with django_assert_max_num_queries(12):
        assert client.get("/jobs/").status_code == 200
