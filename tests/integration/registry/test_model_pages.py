"""The pages of models."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client

from dashboards.model.lineage import Source, graph
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


def test_the_best_version_is_looked_at_unless_another_is_named(cohort: Cohort) -> None:
    job = run_job(cohort)
    client, path = browser(cohort.neighbour), f"/models/{job.model_id}/"
    best = model_of(job).versions.get(is_best=True)
    assert client.get(path).context["shown"] == best
    page = client.get(f"{path}?round=0")
    assert page.context["shown"].round_number == 0
    assert len(page.context["at_silos"]) == len(cohort.federation.silos)
    assert {chart.key for chart in page.context["charts"]} == {"accuracy", "loss"}
    for wrong in ("99", "-1", "x", "9" * 30, "²"):
        assert client.get(f"{path}?round={wrong}").status_code == 404, wrong


def test_two_versions_stand_side_by_side(cohort: Cohort) -> None:
    job = run_job(cohort)
    answer = browser(cohort.scientist).get(f"/models/{job.model_id}/?round=0&with=1")
    assert "Versions 0 and 1 at each silo" in answer.content.decode()
    accuracy, loss = answer.context["differences"]
    assert (loss.metric.name, loss.this, loss.that, loss.change) == ("loss", "1.0000", "0.5000", "-0.5000")
    assert (accuracy.metric.name, accuracy.change) == ("accuracy", "0.000")
    assert [one.change for one in answer.context["at_silos"][0].differences] == ["0.000", "-0.5000"]


def test_what_could_point_at_somebody_is_left_out(cohort: Cohort) -> None:
    job = run_job(cohort)
    job.request["limits"]["minimum_cell"] = 1000
    job.save(update_fields=["request"])
    answer = browser(cohort.scientist).get(f"/models/{job.model_id}/")
    assert [one.row.figures for one in answer.context["at_silos"]] == [{}] * len(cohort.federation.silos)
    assert "withheld" in answer.content.decode()


def test_where_it_comes_from_is_drawn_and_said(cohort: Cohort) -> None:
    job = run_job(cohort)
    page = browser(cohort.neighbour).get(f"/models/{job.model_id}/?round=2").content.decode()
    begins = page.index('<svg class="lineage"')
    drawing = ElementTree.fromstring(page[begins : page.index("</svg>", begins) + len("</svg>")])
    assert len(drawing.findall("path")) == len(cohort.federation.silos) + 2
    assert not [one for one in drawing.iter() if "style" in one.attrib]
    addresses = {one.attrib["href"] for one in drawing.iter("a")}
    assert addresses == {f"/datasets/{played.dataset.id}/" for played in cohort.federation.silos if played.dataset} | {
        f"/jobs/{job.id}/"
    }
    assert "of which 2 updates counted" in page


def test_a_drawing_of_many_silos_stays_small() -> None:
    sources = [Source(f"Data of a very long name {place}", f"silo {place}", 3, "/") for place in range(50)]
    drawn = graph(sources, job=("A job", "/"), rounds="3 rounds", version=("Version 3", "accuracy 0.7"))
    assert len(drawn.nodes) == 7 + 3
    assert drawn.nodes[6].title == "and 44 more"
    assert all(node.y + node.height <= drawn.height and node.x + node.width <= drawn.width for node in drawn.nodes)


def test_the_pages_ask_as_many_questions_whatever_their_size(
    cohort: Cohort, django_assert_max_num_queries: Any
) -> None:
    job = run_job(cohort, rounds=6)
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(28):
        client.get(f"/models/{job.model_id}/?round=1&with=2")
    with django_assert_max_num_queries(10):
        client.get("/models/")


def test_somebody_without_a_role_sees_none(cohort: Cohort) -> None:
    job = run_job(cohort)
    assert browser(cohort.nobody).get(f"/models/{job.model_id}/").status_code == 404
    assert "No model yet" in browser(cohort.nobody).get("/models/").content.decode()
