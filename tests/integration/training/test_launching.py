"""The launch form while it is filled in: what it comes to, lines to copy, and an earlier job repeated."""

from __future__ import annotations

import ast
import json
import re
import shlex
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.permissions import Role
from consortia.actions import grant_consortium_role
from registry.models import ModelVersion
from silos.models import Dataset
from tests.integration.training.test_job_pages import form_of, launch_path
from tests.support.cohort import Cohort, browser, last_version, run_job
from tests.support.every import every
from tests.support.federation import TEST
from tests.support.world import person
from training.launch import snippets
from training.launch.actions import launch
from training.models import Job

pytestmark = pytest.mark.django_db


def copied(page: str, label: str) -> str:
    """What a button on the page copies."""
    found = re.search(rf'data-copy="([^"]*)" aria-label="Copy {label}"', page)
    assert found is not None
    return unescape(found[1])


def test_the_preview_counts_parameters_and_bytes(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    answer = client.post(f"{launch_path(cohort)}preview/", form_of(cohort))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    features = cohort.dataset.n_features
    assert f">{8 * (features + 1) + 4 * (8 + 1) + 2 * (4 + 1)}</output>" in page
    assert "Ready to launch" in page
    assert not Job.objects.exists()


def test_the_preview_says_what_is_missing_and_counts_all_the_same(cohort: Cohort) -> None:
    wrong = form_of(cohort, name="", quorum="9", model="logistic")
    page = browser(cohort.scientist).post(f"{launch_path(cohort)}preview/", wrong).content.decode()
    assert "Name: This field is required." in page
    assert "<dt>Parameters</dt><dd>14</dd>" in page
    assert "Ready to launch" not in page


def test_the_lines_to_copy_launch_what_was_typed(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    tricky = form_of(cohort, name='Dana\'s "first" $HOME try', purpose="x </script> \\ y")
    page = client.post(f"{launch_path(cohort)}preview/", tricky).content.decode()
    words = shlex.split(copied(page, "the job for curl").replace("\\\n", ""))
    by_curl = json.loads(words[words.index("-d") + 1])
    tree = ast.parse(copied(page, "the job for Python"))
    by_python = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "job"
    )
    assert by_curl == by_python
    assert by_curl["name"] == 'Dana\'s "first" $HOME try'
    consortium = cohort.federation.consortium
    assert by_curl.pop("consortium") == str(consortium.id)
    by_rest = launch(consortium=consortium, request=by_curl, by=cohort.scientist)
    client.post(launch_path(cohort), tricky)
    by_form = Job.objects.exclude(id=by_rest.id).get()
    assert by_rest.request == by_form.request


def test_an_error_in_what_was_not_chosen_is_none(cohort: Cohort) -> None:
    typed = form_of(cohort, model="logistic", **{"model.mlp.hidden": "many"})
    assert browser(cohort.scientist).post(launch_path(cohort), typed).status_code == 302


def test_a_job_is_launched_again_as_it_was(cohort: Cohort) -> None:
    asked = cohort.federation.request(
        model={"family": "mlp", "hidden": [8, 4], "activation": "tanh"},
        strategy={"name": "fedadam", "learning_rate": 0.05},
        local={"steps": 7, "batch_size": 16},
        limits={"minimum_cell": 9, "update_norm_l2_max": 5.0},
        seed=3,
    )
    job = launch(consortium=cohort.federation.consortium, request=asked, by=cohort.scientist)
    client, path = browser(cohort.scientist), f"{launch_path(cohort)}?from={job.id}"
    assert path in client.get(f"/jobs/{job.id}/").content.decode()
    form = client.get(path).context["form"].as_it_stands()
    client.post(launch_path(cohort), {name: value for name, value in form.data.items() if value is not None})
    again = Job.objects.exclude(id=job.id).get()
    assert again.request["local"].pop("learning_rate", 0.01) == 0.01
    again.request["local"] = {name: again.request["local"][name] for name in job.request["local"]}
    assert {**again.request, "model": None, "strategy": None} == {**job.request, "model": None, "strategy": None}
    assert again.request["model"]["hidden"] == [8, 4]
    defaults = {"beta1": 0.9, "beta2": 0.999, "tau": 1e-8}
    assert again.request["strategy"] == {"name": "fedadam", "learning_rate": 0.05, **defaults}


def test_what_is_not_on_offer_any_more_is_left_out_and_said(cohort: Cohort) -> None:
    from silos import datasets

    job = run_job(cohort, rounds_answered=0)
    datasets.withdraw(dataset=cohort.dataset, by=TEST)
    page = browser(cohort.scientist).get(f"{launch_path(cohort)}?from={job.id}").content.decode()
    assert "1 of its datasets is not on offer any more" in page
    assert str(cohort.dataset.id) not in page


def test_only_a_job_of_this_consortium_that_one_may_see_is_said_again(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    elsewhere = cohort.elsewhere.consortia.get()
    for user in (cohort.outsider, cohort.scientist):
        grant_consortium_role(user=user, consortium=elsewhere, role=Role.DATA_SCIENTIST, by=TEST)
    stranger = browser(cohort.outsider)
    assert stranger.get(f"/consortia/{elsewhere.id}/launch/").status_code == 200
    assert stranger.get(f"/consortia/{elsewhere.id}/launch/?from={job.id}").status_code == 404
    assert stranger.get(f"{launch_path(cohort)}?from={job.id}").status_code == 404
    assert browser(cohort.scientist).get(f"/jobs/{job.id}/").status_code == 200
    assert browser(cohort.scientist).get(f"/consortia/{elsewhere.id}/launch/?from={job.id}").status_code == 404
    assert browser(cohort.scientist).get(f"{launch_path(cohort)}?from=nonsense").status_code == 404
    assert browser(cohort.scientist).get(f"{launch_path(cohort)}?from={elsewhere.id}").status_code == 404
    assert "Launch again…" not in browser(cohort.neighbour).get(f"/jobs/{job.id}/").content.decode()


def test_the_preview_is_for_who_may_launch(cohort: Cohort) -> None:
    version: ModelVersion = last_version(run_job(cohort))
    paths = (f"{launch_path(cohort)}preview/", f"/model-versions/{version.id}/evaluate/preview/")
    for path in every(paths):
        assert browser(cohort.scientist).post(path, form_of(cohort)).status_code == 200, path
        assert browser(cohort.scientist).get(path).status_code == 405, path
        assert browser(cohort.neighbour).post(path, form_of(cohort)).status_code == 403, path
        assert browser(cohort.outsider).post(path, form_of(cohort)).status_code == 404, path
        assert browser(person(f"stranger-{len(path)}")).post(path, form_of(cohort)).status_code == 404, path
        assert Client().post(path, form_of(cohort)).status_code == 302, path


def test_datasets_stand_by_schema(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    declared = cohort.dataset.declaration
    declared["split"]["seed"] += 1
    Dataset.objects.filter(id=cohort.dataset.id).update(schema_digest=f"sha256:{'0' * 64}", declaration=declared)
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(12):
        page = client.get(launch_path(cohort)).content.decode()
    assert page.count('<tbody data-schema="') == 2
    answer = client.post(launch_path(cohort), form_of(cohort))
    assert "are not declared alike" in answer.content.decode()
    assert set(answer.context["form"].errors) == {"datasets"}


def test_a_text_with_quotes_survives_the_shell() -> None:
    line = snippets.curl("https://example.org/", {"name": "it's"})
    assert json.loads(shlex.split(line.replace("\\\n", ""))[-1]) == {"name": "it's"}
