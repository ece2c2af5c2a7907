"""The pages of models."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.support.cohort import Cohort, browser, last_version, model_of, run_job

pytestmark = pytest.mark.django_db


def test_a_model_shows_its_versions_with_what_may_be_done(cohort: Cohort) -> None:
    job = run_job(cohort)
    model, version = model_of(job), last_version(job)
    page = browser(cohort.scientist).get(f"/models/{model.id}/").content.decode()
    assert f"/api/v1/model-versions/{version.id}/download/" in page
    assert f"/model-versions/{version.id}/evaluate/" in page
    assert f"/jobs/{job.id}/" in page
    assert "best" in page
    reader = browser(cohort.neighbour).get(f"/models/{model.id}/").content.decode()
    assert "/download/" not in reader
    assert "/evaluate/" not in reader


def test_the_list_is_of_what_one_sees(cohort: Cohort) -> None:
    model = model_of(run_job(cohort))
    consortium = cohort.federation.consortium.id
    for path in ("/models/", f"/models/?consortium={consortium}"):
        assert str(model.id) in browser(cohort.neighbour).get(path).content.decode()
    assert str(model.id) not in browser(cohort.outsider).get("/models/").content.decode()
    assert browser(cohort.outsider).get(f"/models/?consortium={consortium}").status_code == 404
    assert browser(cohort.outsider).get(f"/models/{model.id}/").status_code == 404
    assert Client().get(f"/models/{model.id}/").status_code == 302
