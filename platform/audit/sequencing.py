"""The sequencer: puts events into the hash chains after they have happened. No action waits for it or locks a chain.

A chain for each consortium and one for the platform. Events are chained in the order in which the sequencer finds them;
what a transaction that is still open will bring comes in a later batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

from django.db import connection, transaction

from audit.models import Event, Head, Link, Unchained
from federation.protocol.chains import Break, canonical, chain_of, first_digest, next_digest, verify_chain

BATCH = 2000
_LOCK = 0x434E_5341  # this sequencer's advisory lock: two at once would wait for each other anyway


def record_of(event: Event) -> bytes:
    """The bytes of an event that are hashed."""
    return canonical(
        {
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
    links = list(_linked(events, heads))
    Link.objects.bulk_create(links)
    Head.objects.bulk_create(
        heads.values(), update_conflicts=True, unique_fields=["chain"], update_fields=["position", "digest"]
    )
    Unchained.objects.filter(event_id__in=ids).delete()
    return len(links)


def _linked(events: Iterable[Event], heads: dict[str, Head]) -> Iterator[Link]:
    """A link for each event; moves the heads on."""
    for event in events:
        name = chain_of(event.consortium_id)
        head = heads.setdefault(name, Head(chain=name, position=0, digest=first_digest(name)))
        record = record_of(event)
        head.digest = next_digest(bytes(head.digest), record)
        head.position += 1
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
    head = Head.objects.filter(chain=name).first()
    if head is None:
        return Verified(name, 0)
    found = verify_chain(name, _links(name), bytes(head.digest))
    if isinstance(found, Break):
        return Verified(name, head.position, found)
    if found != head.position:
        missing = Break(found + 1, "chain.gap", f"The record at position {found + 1} is missing.")
        return Verified(name, head.position, missing)
    changed = _first_changed(name)
    return Verified(name, found, changed)


def _links(name: str) -> Iterator[tuple[int, bytes, bytes]]:
    rows = Link.objects.filter(chain=name).order_by("position").values_list("position", "record", "digest")
    return ((position, bytes(record), bytes(digest)) for position, record, digest in rows.iterator(chunk_size=BATCH))


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
                return Break(link.position, "chain.event_gone", f"Event {event_id} was chained and is gone.")
            if record_of(event) != bytes(link.record):
                return Break(
                    link.position, "chain.event_changed", f"Event {event_id} was changed after it was chained."
                )
            last = link.position
