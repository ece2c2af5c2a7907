"""A bundle's documents, sorted by what they are. Nothing is verified here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from federation.errors import Invalid
from federation.evidence.bundles import Entry
from federation.protocol.merkle import HASH_BYTES, PROOF_MAX

PLATFORM_KEY = "platform-key"
SUCCESSION = "succession/"
AGREEMENT = "agreement"
MANIFEST = "manifest"
REVIEW = "review/"
PASSPORT = "passport/"
ORDER = "order/"
REPORT = "statistics-report/"
RELEASED = "statistics"
ANSWER = "answer/"
RECORD = "audit/"
CHECKPOINT = "checkpoint"
COUNTERSIGNED = "countersigned/"
EVENTS = "events/"
CONSISTENCY = "consistency/"
BROKEN = "broken/"


@dataclass(frozen=True)
class EventLine:
    """A record of the audit log with what leads from it to the log's root."""

    position: int
    before: bytes
    """The link of the record before it."""
    proof: tuple[bytes, ...]
    record: bytes


@dataclass
class Evidence:
    """What a bundle holds: envelopes as they were signed, by the name of the order where there are many."""

    platform_key: str = ""
    successions: list[bytes] = field(default_factory=list)
    agreement: bytes | None = None
    manifest: bytes | None = None
    reviews: dict[str, bytes] = field(default_factory=dict)
    passports: dict[str, bytes] = field(default_factory=dict)
    orders: dict[str, bytes] = field(default_factory=dict)
    reports: dict[str, bytes] = field(default_factory=dict)
    """What silos have reported about columns in a job of statistics, by the orders' names."""
    released: bytes | None = None
    """What came of these."""
    answers: dict[str, bytes] = field(default_factory=dict)
    links: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """The consortium's whole chain, as bundles of protocol 1.0 have it."""
    events: list[EventLine] = field(default_factory=list)
    consistency: dict[str, bytes] = field(default_factory=dict)
    """Proofs that the log goes on from earlier heads."""
    broken: dict[str, bytes] = field(default_factory=dict)
    """What silos and their organisations have signed of heads that the log does not lead through, since a restore."""
    checkpoint: bytes | None = None
    countersigned: dict[str, bytes] = field(default_factory=dict)
    """The newest head of the record that each silo has signed, by the silo's id."""


def gather(entries: Iterable[Entry]) -> Evidence:
    """Sort the entries. Raises Invalid ``bundle.malformed`` for a name that no bundle has, or that is there twice."""
    found, names = Evidence(), set[str]()
    for entry in entries:
        if entry.name in names:
            raise Invalid("bundle.malformed", f"{entry.name} is there twice.")
        names.add(entry.name)
        _take(found, entry)
    found.links.sort(key=lambda link: link[0])
    return found


def _take(found: Evidence, entry: Entry) -> None:
    name, content = entry.name, entry.content
    if name == PLATFORM_KEY:
        found.platform_key = content.decode("ascii", errors="replace")
    elif name == AGREEMENT:
        found.agreement = content
    elif name == MANIFEST:
        found.manifest = content
    elif name == RELEASED:
        found.released = content
    elif name.startswith(REPORT):
        found.reports[name.removeprefix(REPORT)] = content
    elif name == CHECKPOINT:
        found.checkpoint = content
    elif name.startswith(SUCCESSION):
        found.successions.append(content)
    elif name.startswith(REVIEW):
        found.reviews[name.removeprefix(REVIEW)] = content
    elif name.startswith(PASSPORT):
        found.passports[name.removeprefix(PASSPORT)] = content
    elif name.startswith(ORDER):
        found.orders[name.removeprefix(ORDER)] = content
    elif name.startswith(ANSWER):
        found.answers[name.removeprefix(ANSWER)] = content
    elif name.startswith(COUNTERSIGNED):
        found.countersigned[name.removeprefix(COUNTERSIGNED)] = content
    elif name.startswith(EVENTS):
        found.events.extend(_events(entry))
    elif name.startswith(CONSISTENCY):
        found.consistency[name.removeprefix(CONSISTENCY)] = content
    elif name.startswith(BROKEN):
        found.broken[name.removeprefix(BROKEN)] = content
    elif name.startswith(RECORD):
        found.links.extend(_links(entry))
    else:
        raise Invalid("bundle.malformed", f"A bundle has nothing that is called {name[:80]!r}.")


def _links(entry: Entry) -> Iterator[tuple[int, bytes, bytes]]:
    """Lines of position, digest and record."""
    for line in entry.content.splitlines():
        try:
            position, digest, record = line.split(b" ", 2)
            yield int(position), record, bytes.fromhex(digest.decode("ascii"))
        except ValueError as error:
            raise Invalid("bundle.malformed", f"{entry.name} holds a line that is no record.") from error


def _events(entry: Entry) -> Iterator[EventLine]:
    """Lines of position, digest before, proof (a dash where it is empty) and record."""
    for line in entry.content.splitlines():
        try:
            position, before, proof, record = line.split(b" ", 3)
            hashes = b"" if proof == b"-" else bytes.fromhex(proof.decode("ascii"))
            found = EventLine(
                int(position),
                bytes.fromhex(before.decode("ascii")),
                tuple(hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)),
                record,
            )
        except ValueError as error:
            raise Invalid("bundle.malformed", f"{entry.name} holds a line that is no event.") from error
        if len(found.before) != HASH_BYTES or len(found.proof) > PROOF_MAX:
            raise Invalid("bundle.malformed", f"{entry.name} holds a line that is no event.")
        yield found


def event_line(position: int, before: bytes, proof: Iterable[str], record: bytes) -> bytes:
    """An event of the job as a bundle holds it; `proof` in hex."""
    return b"%d %s %s %s\n" % (position, before.hex().encode(), "".join(proof).encode() or b"-", record)


def link_line(position: int, digest: bytes, record: bytes) -> bytes:
    """A record of the audit log as a bundle of protocol 1.0 holds it."""
    return b"%d %s %s\n" % (position, digest.hex().encode(), record)
