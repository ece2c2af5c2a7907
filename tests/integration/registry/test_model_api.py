"""REST of models: versions, cards and weights."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, cast

import pytest
from django.http import StreamingHttpResponse
from rest_framework.test import APIClient

from artefacts import store
from audit.models import Event
from registry import download
from tests.support.cohort import Cohort, last_version, model_of, run_job
from tests.support.federation import TEST
from tests.support.world import client_of
from training.engine import housekeeping

pytestmark = pytest.mark.django_db


@pytest.fixture
def scientist(cohort: Cohort) -> APIClient:
    return client_of(cohort.scientist)


def drained(answer: Any) -> list[bytes]:
    """The blocks of an answer that streams."""

    async def drain() -> list[bytes]:
        return [bytes(block) async for block in cast("Any", answer)]

    assert isinstance(answer, StreamingHttpResponse)
    blocks = asyncio.run(drain())
    for close in answer._resource_closers:  # type: ignore[attr-defined]
        close()
    return blocks


def test_a_model_and_its_versions(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort)
    model = model_of(job)
    row = scientist.get("/api/v1/models/").json()["results"][0]
    assert (row["id"], row["job_id"], row["family"], row["parameters"]) == (str(model.id), str(job.id), "logistic", 14)
    assert row["best_version"] == row["latest_version"] == str(last_version(job).id)
    body = scientist.get(f"/api/v1/models/{model.id}/").json()
    assert body["layout"][0] == {"name": "linear.weight", "shape": [1, 13], "dtype": "F32"}
    assert body["preprocessing"]["name"] == "heart-disease"
    versions = scientist.get(f"/api/v1/models/{model.id}/versions/").json()["results"]
    assert [version["round_number"] for version in versions] == [0, 1, 2]
    assert [version["is_best"] for version in versions] == [False, False, True]
    best = scientist.get(f"/api/v1/models/{model.id}/versions/?best=true").json()["results"]
    assert [version["round_number"] for version in best] == [2]
    found = scientist.get(f"/api/v1/models/?job={job.id}&consortium={cohort.federation.consortium.id}").json()
    assert len(found["results"]) == 1


def test_the_card_shows_where_the_weights_come_from(cohort: Cohort, scientist: APIClient) -> None:
    job = run_job(cohort)
    version = last_version(job)
    card = scientist.get(f"/api/v1/model-versions/{version.id}/card/").json()
    assert card["weights"]["digest"] == version.digest
    assert card["architecture"]["specification"] == {"family": "logistic"}
    assert card["metrics"]["combined"]["accuracy"] == 0.5
    assert {row["silo"] for row in card["metrics"]["silos"]} == {p.silo.name for p in cohort.federation.silos}
    lineage = card["lineage"]
    assert (lineage["round"], lineage["job"]["id"], lineage["job"]["manifest_digest"]) == (
        2,
        str(job.id),
        job.manifest_digest,
    )
    assert [member["updates_counted"] for member in lineage["participants"]] == [2, 2, 2]
    first = model_of(job).versions.get(round_number=1)
    assert lineage["previous_digest"] == first.digest
    early = scientist.get(f"/api/v1/model-versions/{first.id}/card/").json()["lineage"]
    assert [member["updates_counted"] for member in early["participants"]] == [1, 1, 1]


def test_the_card_of_an_evaluated_model_is_that_of_the_job_that_made_it(cohort: Cohort, scientist: APIClient) -> None:
    trained = run_job(cohort, rounds=1)
    version = last_version(trained)
    run_job(cohort, task="evaluate", model=None, model_version=str(version.id))
    card = scientist.get(f"/api/v1/model-versions/{version.id}/card/").json()
    assert card["lineage"]["job"]["id"] == str(trained.id)
    assert len(card["metrics"]["silos"]) == 3


def test_weights_come_block_by_block_and_are_what_their_digest_says(
    cohort: Cohort, scientist: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "BLOCK_BYTES", 64)
    version = last_version(run_job(cohort, rounds=1))
    answer = scientist.get(
        f"/api/v1/model-versions/{version.id}/download/", headers={"Accept": "application/octet-stream"}
    )
    blocks = drained(answer)
    assert max(map(len, blocks)) == 64
    assert f"sha256:{hashlib.sha256(b''.join(blocks)).hexdigest()}" == version.digest
    assert answer["ETag"] == f'"{version.digest}"'
    assert int(answer["Content-Length"]) == version.size_bytes == len(b"".join(blocks))
    event = Event.objects.get(verb="model.downloaded")
    assert (event.actor_name, event.detail["digest"]) == ("Dana Data", version.digest)


def test_weights_that_are_not_kept_are_gone(
    cohort: Cohort, scientist: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "VERSIONS_KEPT", 1)
    job = run_job(cohort, rounds=3)
    model = model_of(job)
    assert housekeeping.prune_models(by=TEST) == 2
    pruned = model.versions.get(round_number=1)
    answer = scientist.get(f"/api/v1/model-versions/{pruned.id}/download/")
    assert (answer.status_code, answer.json()["code"]) == (410, "model.pruned")
    kept = scientist.get(f"/api/v1/models/{model.id}/versions/?has_weights=true").json()["results"]
    assert [version["round_number"] for version in kept] == [0, 3]
    store.path_of(last_version(job).digest).unlink()
    lost = scientist.get(f"/api/v1/model-versions/{last_version(job).id}/download/")
    assert lost.status_code == 410
    assert not Event.objects.filter(verb="model.downloaded").exists()


def test_lists_take_as_many_questions_whatever_their_size(
    cohort: Cohort, scientist: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        run_job(cohort, rounds=1)
    with django_assert_max_num_queries(8):
        assert len(scientist.get("/api/v1/models/").json()["results"]) == 3
