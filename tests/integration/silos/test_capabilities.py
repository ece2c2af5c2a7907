"""What a silo says it can do: taken at enrolment and with each heartbeat, bounded, shown, and kept where not known."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event
from silos.capabilities import NAMES_MAX, VALUES_MAX, bounded, capability_rows, lacks
from silos.capability_changes import APART, VALUES_RECORDED_MAX
from silos.health import note_heartbeat
from silos.models import Silo
from tests.support.cohort import Cohort, browser
from tests.support.federation import capabilities
from tests.support.world import client_of
from training.launch.needs import needs_of

pytestmark = pytest.mark.django_db


def reported_by(cohort: Cohort) -> Any:
    return client_of(cohort.it).get(f"/api/v1/silos/{cohort.silo.id}/").json()["capabilities"]


def beat(cohort: Cohort, can: object) -> None:
    note_heartbeat(by=cohort.silo, report={"trainer": {"capabilities": can}})


def test_the_signed_statement_and_each_heartbeat_say_what_a_silo_can_do(cohort: Cohort) -> None:
    assert reported_by(cohort) == capabilities()
    beat(cohort, capabilities(protection=["clear", "masked"]))
    assert reported_by(cohort)["protection"] == ["clear", "masked"]
    page = browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "What its connector can do" in page
    assert "clear, masked" in page


@pytest.mark.parametrize("report", [{}, {"trainer": None}, {"trainer": {}}, {"trainer": {"capabilities": "all"}}])
def test_a_silo_without_a_trainer_s_report_can_do_what_it_reported_last(cohort: Cohort, report: dict[str, Any]) -> None:
    note_heartbeat(by=cohort.silo, report=report)
    assert reported_by(cohort) == capabilities()


def test_names_that_are_not_known_yet_are_kept_and_do_no_harm(cohort: Cohort) -> None:
    beat(cohort, capabilities(kinds=["train", "evaluate", "dream"], compressions=["zstd"]))
    assert reported_by(cohort)["compressions"] == ["zstd"]
    assert not list(lacks(Silo.objects.get(id=cohort.silo.id), needs_of("train", "clear", "logistic", "binary")))
    assert ("compressions", ("zstd",)) in [
        (row.title, row.values) for row in capability_rows(Silo.objects.get(id=cohort.silo.id))
    ]


@pytest.mark.parametrize(
    ("reported_value", "kept"),
    [
        (None, {}),
        (["train"], {}),
        ({"kinds": "train"}, {}),
        ({"kinds": ["train", 7, None, {"a": 1}, "x" * 61, "<b>", "", "two words", "train\n"]}, {"kinds": ["train"]}),
        ({"Kinds": ["a"], "k" * 41: ["a"], "a b": ["a"], "": ["a"], "kinds": ["a", "a"]}, {"kinds": ["a"]}),
        ({f"n{i}": ["a"] for i in range(100)}, {f"n{i}": ["a"] for i in range(NAMES_MAX)}),
        ({"kinds": [f"k{i}" for i in range(5000)]}, {"kinds": [f"k{i}" for i in range(VALUES_MAX)]}),
    ],
)
def test_what_is_taken_is_bounded(reported_value: object, kept: dict[str, list[str]]) -> None:
    assert bounded(reported_value) == kept


def changes(cohort: Cohort) -> list[dict[str, Any]]:
    return [dict(event.detail) for event in Event.objects.filter(verb="silo.capabilities_changed").order_by("id")]


def let_an_hour_go_by(cohort: Cohort) -> None:
    Silo.objects.filter(id=cohort.silo.id).update(capabilities_noted_at=timezone.now() - APART)


def test_a_change_of_what_a_silo_can_do_is_an_event_and_a_heartbeat_is_none(cohort: Cohort) -> None:
    beat(cohort, capabilities())
    assert changes(cohort) == []
    with_masks = capabilities(protection=["clear", "masked"])
    for _ in range(3):
        beat(cohort, with_masks)
        beat(cohort, {name: values[::-1] for name, values in with_masks.items()})
    assert changes(cohort) == [{"old": {"protection": ["clear"]}, "new": {"protection": ["clear", "masked"]}}]
    event = Event.objects.get(verb="silo.capabilities_changed")
    assert (event.actor_kind, event.subject_id) == ("silo", str(cohort.silo.id))
    page = " ".join(browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode().split())
    assert "Last change" in page
    assert "<dt>Protection</dt><dd>clear → clear, masked</dd>" in page


def test_a_relay_that_shows_something_else_each_time_makes_no_more_than_an_event_an_hour(cohort: Cohort) -> None:
    for number in range(20):
        beat(cohort, capabilities(protection=["clear", f"mode_{number}"]))
    assert len(changes(cohort)) == 1
    let_an_hour_go_by(cohort)
    beat(cohort, capabilities(protection=["clear", "mode_19"]))
    assert changes(cohort)[1] == {
        "old": {"protection": ["clear", "mode_0"]},
        "new": {"protection": ["clear", "mode_19"]},
    }


def test_a_change_that_was_taken_back_within_the_hour_is_no_event(cohort: Cohort) -> None:
    beat(cohort, capabilities(protection=["clear", "masked"]))
    beat(cohort, capabilities())
    beat(cohort, capabilities(protection=["clear", "masked"]))
    let_an_hour_go_by(cohort)
    beat(cohort, capabilities(protection=["clear", "masked"]))
    assert len(changes(cohort)) == 1


def test_what_an_event_shows_is_bounded(cohort: Cohort) -> None:
    beat(cohort, capabilities(kinds=[f"kind_{number}" for number in range(VALUES_MAX)]))
    (change,) = changes(cohort)
    assert len(change["new"]["kinds"]) == VALUES_RECORDED_MAX
