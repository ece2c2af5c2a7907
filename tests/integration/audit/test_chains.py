"""Every event gets its place in a chain, and whatever is changed afterwards is found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from io import StringIO
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, connections, transaction

from accounts.actions import create_organisation
from audit.actions import record
from audit.chaining import chain_new, verify
from audit.checkpoints import sign_heads
from audit.models import Event, Head, JobEvents, Link, TreeNode, Unchained
from audit.trees import inclusion_proofs, proof_between
from consortia.actions import edit_consortium
from federation.protocol.chains import PLATFORM, chain_of
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import why_not_after
from tests.support.every import every
from tests.support.logs import PlayedLog
from tests.support.world import TEST, World, make_organisation


def forge(sql: str, *parameters: int | str) -> None:
    """What somebody does who owns the database: without the triggers."""
    tables = ("audit_event", "audit_link", "audit_treenode")
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
    for head in every(Head.objects.all()):
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
        ("DELETE FROM audit_event WHERE id = %s", "chain.event_missing"),
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
@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE audit_treenode SET hash = sha256(hash) WHERE level = %s", "chain.tree"),
        ("DELETE FROM audit_treenode WHERE level = %s AND index = 0", "chain.tree"),
        ("UPDATE audit_head SET peaks = sha256(peaks) || substring(peaks FROM 33) WHERE position > %s", "chain.tree"),
        ("UPDATE audit_checkpoint SET root = sha256(root) WHERE position > %s", "chain.head_mismatch"),
        ("UPDATE audit_checkpoint SET position = position + %s", "chain.head_mismatch"),
    ],
)
def test_a_tree_that_is_not_that_of_the_links_is_found(world: World, sql: str, code: str) -> None:
    chain_new()
    sign_heads(PrivateKey.generate())
    assert verify(PLATFORM).broken is None
    forge(sql, 1)
    found = verify(PLATFORM)
    assert found.broken is not None
    assert found.broken.code == code
    assert world


@pytest.mark.django_db
def test_the_tree_proves_each_event_and_each_earlier_head(world: World) -> None:
    while chain_new(limit=3):  # in several batches
        pass
    links = list(Link.objects.filter(chain=PLATFORM).order_by("position"))
    head = Head.objects.get(chain=PLATFORM).tree
    log = PlayedLog(PLATFORM, [bytes(link.record) for link in links])
    assert head == log.head()
    size = head.position
    assert inclusion_proofs(PLATFORM, range(1, size + 1), size) == {
        position: log.included(position, size) for position in range(1, size + 1)
    }
    for before in every(log.head(position) for position in range(1, size + 1)):
        for kept in (before, replace(before, root=None)):
            assert why_not_after(kept, head, proof_between(PLATFORM, kept, size)) is None
    assert proof_between(PLATFORM, replace(head, position=size + 1), size) is None
    assert world


@pytest.mark.django_db
def test_the_migration_builds_the_tree_of_a_chain_that_there_is(world: World) -> None:
    chain_new()
    kept = dict(Head.objects.values_list("chain", "peaks"))
    nodes = list(TreeNode.objects.order_by("chain", "level", "index").values_list("chain", "level", "index", "hash"))
    forge("DELETE FROM audit_treenode")
    Head.objects.update(peaks=b"")
    migration = import_module("audit.migrations.0005_merkle_log")
    migration.build(apps, None)
    assert dict(Head.objects.values_list("chain", "peaks")) == kept
    rows = TreeNode.objects.order_by("chain", "level", "index").values_list("chain", "level", "index", "hash")
    assert list(rows) == nodes
    assert nodes
    assert verify(PLATFORM).broken is None
    assert world


@pytest.mark.django_db
def test_records_can_not_be_guessed_and_a_jobs_are_numbered(world: World) -> None:
    job_id, old_job = uuid4(), uuid4()
    JobEvents.objects.create(job_id=old_job, count=None)  # what the migration leaves of a job that had events before
    for number in range(3):
        for one in (job_id, old_job):
            with transaction.atomic():
                record(
                    by=TEST,
                    verb="job.launched",
                    subject=world.consortium,
                    consortium_id=world.consortium.id,
                    job_id=one,
                    detail={"n": number},
                )
        chain_new()
    records = [json.loads(bytes(link.record)) for link in Link.objects.order_by("event_id")]
    assert len({one_report["salt"] for one_report in records}) == len(records)
    assert all(len(one_report["salt"]) == 32 for one_report in records)
    mine = [one_report for one_report in records if one_report["job"] == str(job_id)]
    digests = {link.event_id: bytes(link.digest).hex() for link in Link.objects.all()}
    assert [(one_report["job_number"], one_report["job_before"]) for one_report in mine] == [
        (1, None),
        (2, digests[mine[0]["id"]]),
        (3, digests[mine[1]["id"]]),
    ]
    assert not any("job_number" in one_report for one_report in records if one_report["job"] != str(job_id))
    assert verify(chain_of(world.consortium.id)).broken is None


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
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_link SET position = 7",
        "DELETE FROM audit_link",
        "UPDATE audit_treenode SET index = 7",
        "DELETE FROM audit_treenode",
    ],
)
def test_the_database_refuses_to_change_a_link_or_a_node(sql: str) -> None:
    make_organisation("north")
    make_organisation("south")
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
    body = json.loads(out.getvalue())
    assert body == {"events": Event.objects.count(), "chains": Head.objects.count(), "verified": True}
    assert Unchained.objects.count() == 0
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "all hold" in out.getvalue()
    assert world
