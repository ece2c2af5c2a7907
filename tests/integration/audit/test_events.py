"""Events: appended with what they report, and never changed."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import ProgrammingError, connection, transaction

from accounts.actions import create_organisation, grant_role
from accounts.models import Organisation, OrganisationRole
from accounts.permissions import Role
from audit.actions import record
from audit.actors import System
from audit.models import Event
from tests.support.every import every
from tests.support.world import TEST, World, client_of, make_organisation

FORBID: str = import_module("audit.migrations.0002_forbid_change").FORBID


def refused(sql: str) -> None:
    """Assert that the database refuses a statement."""
    with (
        pytest.raises(ProgrammingError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql", ["UPDATE audit_event SET verb = 'nothing.happened'", "DELETE FROM audit_event WHERE true"]
)
def test_the_database_refuses_to_change_or_remove(sql: str) -> None:
    make_organisation("north")
    refused(sql)
    assert Event.objects.filter(verb="organisation.created").exists()


@pytest.mark.django_db
def test_the_database_refuses_to_empty_the_table() -> None:
    statement = FORBID[FORBID.index("CREATE TRIGGER audit_event_no_truncate") :]
    make_organisation("north")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing waits that would refuse first
            cursor.execute(statement)  # the test database goes without, so that it can be emptied between tests
        refused("TRUNCATE audit_event")
        refused("TRUNCATE audit_event, accounts_organisation CASCADE")
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_an_event_says_who_did_what_to_what_and_where(world: World) -> None:
    event = Event.objects.filter(verb="organisation_role.granted").last()
    assert event is not None
    granted = grant_role(user=world.nobody, organisation=world.south, role=Role.AUDITOR, by=world.platform_admin)
    event = Event.objects.first()
    assert event is not None
    assert (event.verb, event.actor_kind, event.actor_id, event.actor_name) == (
        "organisation_role.granted",
        "user",
        str(world.platform_admin.pk),
        "Platform Admin",
    )
    assert (event.subject_kind, event.subject_id) == ("user", str(world.nobody.pk))
    assert event.organisation_id == world.south.pk
    assert event.consortium_id is None
    assert event.detail == {"role": granted.role, "person": "Nobody"}


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_recorded() -> None:
    organisation = make_organisation("north")
    with pytest.raises(RuntimeError, match="in the transaction"):
        record(by=TEST, verb="organisation.seen", subject=organisation)


@pytest.mark.django_db
def test_a_secret_fails_the_action() -> None:
    organisation = make_organisation("north")
    with pytest.raises(ValueError, match="must not hold"):
        record(by=TEST, verb="organisation.seen", subject=organisation, detail={"password": "x"})


@pytest.mark.django_db(transaction=True)
def test_where_the_event_can_t_be_written_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = make_organisation("north")

    def fail(**kwargs: object) -> Event:
        raise OSError("the disk is full")

    monkeypatch.setattr("accounts.actions.record", fail)
    with pytest.raises(OSError, match="disk"):
        create_organisation(name="South", slug="south", country="CH", kind="bank", by=System("test"))
    assert list(Organisation.objects.all()) == [organisation]
    assert not OrganisationRole.objects.exists()


def test_the_audit_log_is_read_page_by_page(world: World) -> None:
    client = client_of(world.platform_admin)
    seen: list[int] = []
    address = "/api/v1/events/?page_size=7"
    while address:
        page = client.get(address).json()
        assert len(page["results"]) <= 7
        seen += [event["id"] for event in page["results"]]
        address = page["next"]
    assert seen == list(Event.objects.order_by("-id").values_list("id", flat=True))
    back = client.get(page["previous"]).json()
    assert [event["id"] for event in back["results"]] == seen[-7 - len(page["results"]) : -len(page["results"])]


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ("verb=consortium.founded", {"consortium.founded"}),
        ("verb=invitation.", {"invitation.accepted"}),
        ("verb=%25", set()),
        ("verb=_", set()),
        ("actor_kind=silo", set()),
        ("since=2100-01-01T00:00:00Z", set()),
        ("until=2000-01-01T00:00:00Z", set()),
        ("job=00000000-0000-0000-0000-000000000000", set()),
    ],
)
def test_filters_narrow_the_audit_log(world: World, query: str, verbs: set[str]) -> None:
    found = client_of(world.platform_admin).get(f"/api/v1/events/?{query}").json()["results"]
    assert {event["verb"] for event in found} == verbs


def test_everybody_reads_what_they_may_and_what_they_did(world: World) -> None:
    steward = client_of(world.steward).get("/api/v1/events/?page_size=200").json()["results"]
    assert steward
    for event in every(steward):
        assert (
            event["consortium_id"] == str(world.consortium.pk)
            or event["organisation_id"] == str(world.south.pk)
            or event["actor_id"] == str(world.steward.pk)
        )
    assert any(event["actor_id"] == str(world.administrator.pk) for event in steward)
    assert not any(event["organisation_id"] == str(world.elsewhere.pk) for event in steward)
    assert client_of(world.nobody).get("/api/v1/events/").json()["results"] == []
    scientist = client_of(world.scientist).get("/api/v1/events/").json()["results"]
    assert scientist == []


def test_what_only_verifiers_read_is_not_notified_to_people() -> None:
    event = Event(verb="round.opened", detail={"round": 1, "evidence": {"orders": {"a": "sha256:00"}}})
    assert event.shown_detail == {"round": 1}
