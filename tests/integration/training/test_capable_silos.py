"""A job that a silo's connector can't do is refused before it starts: by name, with what it lacks, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from federation.agreements.rules import RULES
from federation.errors import Invalid
from silos.capabilities import lacks, needs_upgrade
from silos.models import Silo
from tests.support.cohort import Cohort, browser
from tests.support.federation import TEST, capabilities
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from tests.support.world import client_of
from training.engine import start
from training.launch.actions import launch
from training.launch.needs import needs_of
from training.launch.quotes import quote
from training.models import Job
from training.transitions import JobState

pytestmark = pytest.mark.django_db

LACKS: list[tuple[str, dict[str, list[str]], str]] = [
    ("silo.protocol", {"protocols": ["1.0"]}, "1.1"),
    ("silo.protocol", {"protocols": []}, "1.1"),
    ("silo.lacks_kind", {"kinds": ["evaluate"]}, "train"),
    ("silo.lacks_protection", {"protection": ["masked"]}, "clear"),
    ("silo.lacks_payload", {"payloads": ["masked.u32"]}, "update.f32"),
    ("silo.lacks_family", {"families": ["mlp"]}, "logistic"),
    ("silo.lacks_target", {"targets": ["real"]}, "binary"),
]


def test_every_way_to_lack_something_is_shown() -> None:
    assert {code for code, *_ in LACKS} | {"silo.lacks_runner"} == {c for c in RULES if c.startswith("silo.")}


def can(silo: Silo, **changes: list[str]) -> None:
    """What its connector said last."""
    Silo.objects.filter(id=silo.id).update(capabilities=capabilities(**changes))


def refused(cohort: Cohort, **changes: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        launch(
            consortium=cohort.federation.consortium,
            request=cohort.federation.request(**changes),
            by=cohort.scientist,
        )
    return caught.value


@pytest.mark.parametrize(("code", "changes", "what"), LACKS)
def test_what_a_silo_lacks_is_reported_at_launch_with_its_name_and_the_way_out(
    cohort: Cohort, code: str, changes: dict[str, list[str]], what: str
) -> None:
    before = Job.objects.count()
    can(cohort.silo, **changes)
    error = refused(cohort)
    assert (error.code, list(error.fields)) == (code, ["datasets.0"])
    (statement,) = error.fields["datasets.0"]
    assert statement.startswith(f"{cohort.silo.name}: ")
    assert f": {what}." in statement
    assert "upgrade the connector" in statement
    assert Job.objects.count() == before


def test_all_silos_and_all_that_they_lack_are_reported_at_once(cohort: Cohort) -> None:
    first, second, third = (played.silo for played in cohort.federation.silos)
    can(first, kinds=[], families=[])
    can(second, protection=[])
    can(third)
    error = refused(cohort)
    assert error.code == "silo.lacks"
    assert {field: len(one_report) for field, one_report in error.fields.items()} == {"datasets.0": 3, "datasets.1": 1}
    for silo in (first, second):
        can(silo, targets=[])
    error = refused(cohort)
    assert (error.code, list(error.fields)) == ("silo.lacks_target", ["datasets.0", "datasets.1"])


def test_a_silo_that_never_said_what_it_can_do_can_do_nothing(cohort: Cohort) -> None:
    Silo.objects.filter(id=cohort.silo.id).update(capabilities={})
    assert refused(cohort).code == "silo.protocol"


def test_quote_rest_and_form_show_it_too(cohort: Cohort) -> None:
    can(cohort.silo, families=["mlp"])
    request = cohort.federation.request()
    weighed = quote(consortium=cohort.federation.consortium, request=request, by=cohort.scientist)
    assert [(one.silo.id, one.code, one.clause) for one in weighed.refused] == [
        (cohort.silo.id, "silo.lacks_family", "connector")
    ]
    body = {"consortium": str(cohort.federation.consortium.id), **request}
    answer = client_of(cohort.scientist).post("/api/v1/jobs/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "silo.lacks_family")
    page = browser(cohort.scientist).get(f"/consortia/{cohort.federation.consortium.id}/launch/")
    text = page.content.decode()
    assert text.count("not eligible") == 1
    assert "silo.lacks_family" in text
    assert "The silo&#x27;s connector does not have this model family: logistic." in text
    can(cohort.silo)
    assert "not eligible" not in browser(cohort.scientist).get(page.request["PATH_INFO"]).content.decode()


def test_a_plan_needs_a_runner_at_every_silo(cohort: Cohort) -> None:
    families = [family for family in capabilities()["families"] if family != "plan"]
    can(cohort.silo, families=families)
    silo = Silo.objects.get(id=cohort.silo.id)
    assert [one.code for one in lacks(silo, needs_of("train", "clear", "plan", "binary"))] == ["silo.lacks_runner"]


def test_an_evaluation_needs_no_way_to_send_updates(cohort: Cohort) -> None:
    can(cohort.silo, kinds=["evaluate"], protection=[], payloads=[])
    silo = Silo.objects.get(id=cohort.silo.id)
    assert not list(lacks(silo, needs_of("evaluate", "clear", "logistic", "binary")))


@pytest.mark.parametrize(("n_silos", "state"), [(1, JobState.RUNNING), (2, JobState.FAILED)])
def test_a_queued_job_is_asked_about_again_before_it_starts(cohort: Cohort, n_silos: int, state: JobState) -> None:
    job = launch(
        consortium=cohort.federation.consortium, request=cohort.federation.request(quorum=2), by=cohort.scientist
    )
    for played in cohort.federation.silos[:n_silos]:
        can(played.silo, protocols=["1.0"])
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (state, "silo.protocol" if state == JobState.FAILED else "")


def lacking(cohort: Cohort, task: str, mode: str, **reported: list[str]) -> list[tuple[str, str]]:
    """What a silo that reports this lacks for a job."""
    can(cohort.silo, **reported)
    return [(one.code, one.what) for one in lacks(Silo.objects.get(id=cohort.silo.id), needs_of(task, mode))]


def test_the_kinds_and_payloads_of_all_steps_of_the_protocol_are_asked_for(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_parts(monkeypatch, OF_THE_PLATFORM)
    able = {"protection": ["greeted"], "payloads": ["masked.u32", "words.ascii"]}
    assert lacking(cohort, "train", "greeted", **able) == []
    assert lacking(cohort, "train", "greeted", **able, kinds=["evaluate", "train"]) == [
        ("silo.lacks_kind", "greet"),
        ("silo.lacks_kind", "sign_off"),
    ]
    assert lacking(cohort, "train", "greeted", **(able | {"payloads": ["masked.u32"]})) == [
        ("silo.lacks_payload", "words.ascii")
    ]
    assert lacking(cohort, "train", "greeted", **(able | {"payloads": ["update.f32", "words.ascii"]})) == [
        ("silo.lacks_payload", "masked.u32")
    ]


def test_a_job_of_statistics_asks_for_its_kind_of_payload(cohort: Cohort) -> None:
    assert lacking(cohort, "statistics", "clear", payloads=["update.f32"]) == [("silo.lacks_payload", "statistics.v1")]


@pytest.mark.parametrize(
    ("protocols", "is_heard"),
    [(["1.2"], True), (["1.0", "1.1"], True), (["1.1", "2.0"], True), (["1.0"], False), (["2.0"], False), ([], False)],
)
def test_a_connector_is_asked_to_upgrade_only_where_its_requests_are_not_read(
    cohort: Cohort, protocols: list[str], is_heard: bool
) -> None:
    codes = [code for code, _value in lacking(cohort, "train", "clear", protocols=protocols)]
    assert codes == ([] if is_heard else ["silo.protocol"])
    assert needs_upgrade(Silo.objects.get(id=cohort.silo.id)) != is_heard
