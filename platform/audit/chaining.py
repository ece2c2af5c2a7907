"""The sequencer: puts events into the hash chains after they have happened. No action waits for it or locks a chain.

A chain for each consortium and one for the platform, with a Merkle tree over its links. Events are chained in the order
in which the sequencer finds them; what a transaction that is still open will bring comes in a later batch.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from uuid import UUID

from django.db import connection, transaction

from audit.models import Event, Head, JobEvents, Link, TreeNode, Unchained
from audit.trees import TreeWalk
from federation.protocol.chains import Break, canonical, chain_of, first_digest, next_digest, verify_chain
from federation.protocol.merkle import Frontier

BATCH = 2000
_LOCK = 0x434E_5341  # this sequencer's advisory lock: two at once would wait for each other anyway


@dataclass(frozen=True)
class Added:
    """What a record has besides what its event says. Records that were chained before there was this have nothing."""

    salt: str = ""
    """16 random bytes (hex): who knows a link but not its record can't guess it."""
    job_number: int | None = None
    """The how-manieth event of its job it is, from 1."""
    job_before: str | None = None
    """The link (hex) of the job's event before."""

    @classmethod
    def of(cls, record: bytes) -> Added:
        """What a kept record says."""
        body = json.loads(record)
        return cls(body.get("salt", ""), body.get("job_number"), body.get("job_before"))


def record_of(event: Event, added: Added = Added()) -> bytes:
    """The bytes of an event that are hashed."""
    besides: dict[str, object] = {"salt": added.salt} if added.salt else {}
    if added.job_number is not None:
        besides |= {"job_number": added.job_number, "job_before": added.job_before}
    return canonical(
        {
            **besides,
            "id": event.id,
            "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "verb": event.verb,
            "actor": [event.actor_kind, event.actor_id, event.actor_name],
            "subject": [event.subject_kind, event.subject_id],
            "consortium": None if event.consortium_id is None else str(event.consortium_id),
            "organisation": None if event.organisation_id is None else str(event.organisation_id),
            "job": None if event.job_id is None else str(event.job_id),
            "detail": event.detail,
        }
    )


@transaction.atomic
def chain_new(limit: int = BATCH) -> int:
    """Chain what has happened since: how many events. Safe to call from several places at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    ids = list(Unchained.objects.order_by("event_id").values_list("event_id", flat=True)[:limit])
    if not ids:
        return 0
    events = list(Event.objects.filter(id__in=ids).order_by("id"))
    names = {chain_of(event.consortium_id) for event in events}
    heads = {head.chain: head for head in Head.objects.select_for_update().filter(chain__in=names)}
    numbered = {job.job_id: job for job in JobEvents.objects.filter(job_id__in={event.job_id for event in events})}
    nodes: list[TreeNode] = []
    links = list(_linked(events, heads, numbered, nodes))
    Link.objects.bulk_create(links)
    TreeNode.objects.bulk_create(nodes)
    Head.objects.bulk_create(
        heads.values(), update_conflicts=True, unique_fields=["chain"], update_fields=["position", "digest", "peaks"]
    )
    JobEvents.objects.bulk_create(
        numbered.values(), update_conflicts=True, unique_fields=["job_id"], update_fields=["count", "digest"]
    )
    Unchained.objects.filter(event_id__in=ids).delete()
    return len(links)


def _linked(
    events: Iterable[Event], heads: dict[str, Head], numbered: dict[UUID, JobEvents], nodes: list[TreeNode]
) -> Iterator[Link]:
    """A link for each event; moves the heads and the jobs' numbers on, and adds the nodes that are complete now."""
    edges: dict[str, Frontier] = {}
    for event in events:
        name = chain_of(event.consortium_id)
        head = heads.setdefault(name, Head(chain=name, position=0, digest=first_digest(name)))
        edge = edges.setdefault(name, Frontier(head.position, bytes(head.peaks)))
        job = None if event.job_id is None else numbered.setdefault(event.job_id, JobEvents(event.job_id, 0))
        added = Added(secrets.token_hex(16))
        if job is not None and job.count is not None:
            before = None if job.digest is None else bytes(job.digest).hex()
            added = replace(added, job_number=job.count + 1, job_before=before)
        record = record_of(event, added)
        head.digest = next_digest(bytes(head.digest), record)
        head.position += 1
        nodes.extend(
            TreeNode(chain=name, level=level, index=index, hash=digest)
            for (level, index), digest in edge.append(head.digest)
        )
        head.peaks = edge.packed
        if job is not None and job.count is not None:
            job.count, job.digest = job.count + 1, head.digest
        yield Link(event_id=event.id, chain=name, position=head.position, record=record, digest=head.digest)


@dataclass(frozen=True)
class Verified:
    """What came of verifying a chain: how many events it has, and where it breaks, if it does."""

    chain: str
    events: int
    broken: Break | None = None


def verify(name: str) -> Verified:
    """Walk a chain from its first link: every record as it was hashed, in its place, and still what the event says.

    Reads in blocks; a chain of any length fits in memory.
    """
    tree = TreeWalk(name)
    head = Head.objects.filter(chain=name).first()
    if head is None:
        return Verified(name, 0)
    found = verify_chain(name, _links(name, head.position, tree), bytes(head.digest))
    if isinstance(found, Break):
        return Verified(name, head.position, found)
    if found != head.position:
        missing = Break(found + 1, "chain.gap", f"The record at position {found + 1} is missing.")
        return Verified(name, head.position, missing)
    return Verified(name, found, tree.end(bytes(head.peaks)) or _first_changed(name))


def _links(name: str, last: int, tree: TreeWalk) -> Iterator[tuple[int, bytes, bytes]]:
    links = Link.objects.filter(chain=name, position__lte=last).order_by("position")
    rows = links.values_list("position", "record", "digest")
    for position, record, digest in rows.iterator(chunk_size=BATCH):
        tree.add(bytes(digest))
        yield position, bytes(record), bytes(digest)


def _first_changed(name: str) -> Break | None:
    """The first event that is not any more what was chained, or is gone."""
    last = 0
    while True:
        rows = Link.objects.filter(chain=name, position__gt=last).order_by("position")[:BATCH]
        links = {link.event_id: link for link in rows}
        if not links:
            return None
        events = {event.id: event for event in Event.objects.filter(id__in=links)}
        for event_id, link in links.items():
            event = events.get(event_id)
            if event is None:
                return Break(link.position, "chain.event_missing", f"Event {event_id} was chained and is gone.")
            if record_of(event, Added.of(bytes(link.record))) != bytes(link.record):
                return Break(
                    link.position, "chain.event_changed", f"Event {event_id} was changed after it was chained."
                )
            last = link.position
