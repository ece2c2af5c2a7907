"""Many events of one act in one statement: they are what they would be one by one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.actions import EventContent, record, record_each
from audit.chaining import chain_new, verify
from audit.models import Event, Unchained
from federation.errors import Invalid
from federation.protocol.chains import PLATFORM, chain_of
from tests.support.every import every
from tests.support.world import TEST, World

pytestmark = pytest.mark.django_db
DETAIL: dict[str, Any] = {"round": 3, "text": "ä \\ \" % ' {}", "none": None, "deep": {"share": 0.1, "list": [1, True]}}


def columns(event: Event) -> dict[str, object]:
    """All but the id and the moment."""
    return {field.attname: getattr(event, field.attname) for field in event._meta.fields} | {"id": 0, "at": 0}


def answer(world: World, place: int) -> EventContent:
    subject = world.consortium if place % 2 else world.administrator
    consortium_id = world.consortium.id if place % 2 else None
    return EventContent(subject, consortium_id, None, None, {**DETAIL, "place": place})


def test_many_events_are_what_they_would_be_one_by_one_and_stay_in_order(world: World) -> None:
    last = Event.objects.latest("id").id
    for place in range(6):
        one = answer(world, place)
        record(by=TEST, verb="x.one", subject=one.subject, consortium_id=one.consortium_id, detail=one.detail)
    record_each(by=TEST, verb="x.one", reported=[answer(world, place) for place in range(6)])
    events = list(Event.objects.filter(id__gt=last).order_by("id"))
    assert len(events) == 12
    for alone, among_others in every(zip(events[:6], events[6:], strict=True)):
        assert columns(among_others) == columns(alone)
        assert among_others.at >= alone.at
    assert [event.detail["place"] for event in events[6:]] == list(range(6))


def test_many_events_are_chained_like_others(world: World) -> None:
    record_each(by=TEST, verb="x.one", reported=[answer(world, place) for place in range(50)])
    assert Unchained.objects.count() == Event.objects.count()
    while chain_new():
        pass
    for chain in every((PLATFORM, chain_of(world.consortium.id))):
        assert verify(chain).broken is None
    assert Unchained.objects.count() == 0


def test_many_events_are_one_statement_and_none_is_none(world: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        record_each(by=TEST, verb="x.one", reported=[])
    assert len(queries) == 0
    assert not Event.objects.filter(verb="x.one").exists()
    assert world


def test_a_secret_in_one_of_many_events_leaves_none(world: World) -> None:
    good, bad = answer(world, 1), EventContent(world.consortium, detail={"note": "cns_" + "a" * 30})
    with pytest.raises(Invalid, match="token"):
        record_each(by=TEST, verb="x.one", reported=[good, bad])
    assert not Event.objects.filter(verb="x.one").exists()


@pytest.mark.django_db(transaction=True)
def test_many_events_outside_of_a_transaction_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"x\.one"):
        record_each(by=TEST, verb="x.one", reported=[])
