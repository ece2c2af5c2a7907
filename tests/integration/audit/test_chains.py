"""Every event gets its place in a chain, and whatever is changed afterwards is found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, connections, transaction

from accounts.actions import create_organisation
from audit.models import Event, Head, Link, Unchained
from audit.sequencing import chain_new, verify
from consortia.actions import edit_consortium
from federation.protocol.chains import PLATFORM, chain_of
from tests.support.world import TEST, World, house


def forge(sql: str, *parameters: int) -> None:
    """What somebody does who owns the database: without the triggers."""
    tables = ("audit_event", "audit_link")
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql, parameters)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.django_db
def test_every_event_is_chained_once_in_the_chain_of_its_consortium(world: World) -> None:
    edit_consortium(consortium=world.consortium, name="Renamed", description="", by=world.administrator)
    assert Unchained.objects.count() == Event.objects.count()
    assert chain_new() == Event.objects.count()
    assert chain_new() == 0
    mine = chain_of(world.consortium.id)
    assert Link.objects.filter(chain=mine).count() == Event.objects.filter(consortium_id=world.consortium.id).count()
    for head in Head.objects.all():
        found = verify(head.chain)
        assert (found.broken, found.events) == (None, Link.objects.filter(chain=head.chain).count())


@pytest.mark.django_db
def test_batches_make_the_same_chain_as_one(world: World) -> None:
    total = Unchained.objects.count()
    done = 0
    while taken := chain_new(limit=3):
        done += taken
    assert done == total
    assert verify(PLATFORM).broken is None
    assert world


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE audit_event SET actor_name = 'Somebody else' WHERE id = %s", "chain.event_changed"),
        ('UPDATE audit_event SET detail = \'{"name": "x"}\' WHERE id = %s', "chain.event_changed"),
        ("UPDATE audit_event SET at = at - interval '1 microsecond' WHERE id = %s", "chain.event_changed"),
        ("DELETE FROM audit_event WHERE id = %s", "chain.event_gone"),
        ("UPDATE audit_link SET record = record || 'x'::bytea WHERE event_id = %s", "chain.digest"),
        ("DELETE FROM audit_link WHERE event_id = %s", "chain.gap"),
        ("UPDATE audit_link SET position = 1000 WHERE event_id = %s", "chain.gap"),
    ],
)
def test_what_is_changed_behind_the_triggers_is_found(world: World, sql: str, code: str) -> None:
    chain_new()
    victim = Link.objects.filter(chain=PLATFORM, position=3).get()
    forge(sql, victim.event_id)
    found = verify(PLATFORM)
    assert found.broken is not None
    assert (found.broken.code, found.broken.position) == (code, 3)
    out = StringIO()
    with pytest.raises(CommandError, match=code):
        call_command("verify_audit", "--json", stdout=out)
    assert json.loads(out.getvalue())["verified"] is False
    assert world


@pytest.mark.django_db
def test_the_end_cannot_be_cut_off_unseen(world: World) -> None:
    chain_new()
    last = Link.objects.filter(chain=PLATFORM).latest("position")
    forge("DELETE FROM audit_link WHERE event_id = %s", last.event_id)
    found = verify(PLATFORM)
    assert found.broken is not None
    assert found.broken.code == "chain.head"
    assert world


@pytest.mark.django_db
@pytest.mark.parametrize("sql", ["UPDATE audit_link SET position = 7", "DELETE FROM audit_link"])
def test_the_database_refuses_to_change_a_link(sql: str) -> None:
    house("north")
    chain_new()
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db(transaction=True)
def test_sequencers_side_by_side_chain_each_event_once() -> None:
    """While others go on writing, and with transactions that commit out of the order of their ids."""

    def write(number: int) -> None:
        with transaction.atomic():
            create_organisation(name=f"House {number}", slug=f"house-{number}", country="CH", kind="hospital", by=TEST)
        connections.close_all()

    def sequence(_: int) -> int:
        done = chain_new(limit=5)
        connections.close_all()
        return done

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(30)]
        taken = sum(pool.map(sequence, range(30)))
        for writer in writers:
            writer.result()
    while done := chain_new():
        taken += done
    assert taken == Event.objects.count() == Link.objects.count()
    assert verify(PLATFORM).broken is None


@pytest.mark.django_db
def test_the_command_says_what_it_found(world: World) -> None:
    out = StringIO()
    call_command("verify_audit", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told == {"events": Event.objects.count(), "chains": Head.objects.count(), "verified": True}
    assert Unchained.objects.count() == 0
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "all hold" in out.getvalue()
    assert world
