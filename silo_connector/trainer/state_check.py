"""Whether what the trainer keeps is older than its journal says: a backup that was put back, or part of it lost.

Every store is written before the line about it, and what loosens (the end of a suspension, another signatory) after
it. So a crash between the two leaves a store ahead of its journal, or stricter, and never behind: what is behind was
put back. The journal itself is held against the head that the trainer's memory has of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from federation.errors import FederationError, Invalid
from federation.plans.reviews import same_reviewer
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Agreement
from silo_connector.agreements import Store
from silo_connector.config import Config
from silo_connector.identity import PINNED, SIGNATORY_PIN, Signatory, pinned_signatory
from silo_connector.journal import FILE as JOURNAL
from silo_connector.journal import Head, all_entries, entries, verify
from silo_connector.plans import PlanStore
from silo_connector.platform_keys import CHAIN_FILE, known_chain
from silo_connector.trainer import checkpoints
from silo_connector.trainer.clock import is_far_before
from silo_connector.trainer.memory import FILE as MEMORY
from silo_connector.trainer.memory import Memory
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.state_acceptance import ACCEPTED, is_accepted, signatories

STATE_OLDER, CLOCK_BACK, STATE_LOST = "trainer.state_older", "trainer.clock_back", "job.state_lost"
NUMBER_LOST = "order.number_lost"
UNKEPT = frozenset({STATE_OLDER, CLOCK_BACK, NUMBER_LOST})
"""Refusals under these codes leave no trace in the stores: what is put back once more must not lack them."""
CLOCK = "clock"


@dataclass(frozen=True)
class Older:
    """A store that lacks what the journal knows."""

    store: str
    lacks: str

    def __str__(self) -> str:
        return f"{self.store}: {self.lacks}"


@dataclass
class Past:
    """What the journal knows, after the last acceptance in it; and how the stores stand to that."""

    older: list[Older] = field(default_factory=list)
    latest: datetime | None = None
    versions: dict[str, tuple[int, str]] = field(default_factory=dict)
    suspended: dict[str, bool] = field(default_factory=dict)
    heads: dict[str, checkpoints.Kept] = field(default_factory=dict)
    reviews: dict[tuple[str, str], str] = field(default_factory=dict)
    signatory: str | None = None
    platform_keys: list[str] = field(default_factory=list)
    highest: dict[str, int] = field(default_factory=dict)
    """The highest number of an order, by silo."""
    floors: dict[str, int] = field(default_factory=dict)
    """Numbers up to these may have been used by orders that were forgotten."""
    lost_jobs: set[str] = field(default_factory=set)
    journal_accepted: set[tuple[int, str | None]] = field(default_factory=set)
    """Heads of journals that were put aside with an acceptance."""
    is_journal_broken: bool = False

    @property
    def code(self) -> str | None:
        """With which code orders are refused, if they are."""
        if not self.older:
            return None
        return CLOCK_BACK if all(one.store == CLOCK for one in self.older) else STATE_OLDER

    def refusal(self) -> Refused | None:
        """What every order is answered while it is so."""
        code = self.code
        return None if code is None else Refused(code, "; ".join(map(str, self.older[:5])))

    def number_refusal(self, silo_id: str, number: int, memory: Memory) -> Refused | None:
        """What an order is answered whose number one that was forgotten may have had."""
        floor = self.floors.get(silo_id, 0)
        if number > floor or memory.owner(silo_id, number) is not None:
            return None
        return Refused(NUMBER_LOST, f"Numbers up to {floor} may have been used before.")

    def check_job(self, job_id: UUID) -> None:
        """Raise Refused ``job.state_lost`` for a job of which something was forgotten."""
        if str(job_id) in self.lost_jobs:
            raise Refused(STATE_LOST, "The journal has orders of the job that were lost from the trainer's memory.")


def compare(config: Config, memory: Memory) -> Past:
    """Hold the stores against the journal. Raises Invalid ``journal.unreadable``."""
    pinned = _pinned(config)
    past = _Reader(config, memory, pinned).read()
    noted = memory.journal_head()
    try:
        verify(config.trainer_state, Head() if (noted.lines, noted.digest) in past.journal_accepted else noted)
    except FederationError as error:
        past.is_journal_broken = True
        past.older.insert(0, Older(JOURNAL, error.message.partition(". Somebody")[0]))
    for look in (_agreements, _heads, _platform_key, _signatory, _plans):
        past.older += look(past, config, pinned)
    if past.latest is not None and is_far_before(past.latest):
        past.older.append(Older(CLOCK, f"the journal has seen {past.latest.isoformat(timespec='seconds')}"))
    return past


def compared(config: Config) -> Past:
    """The same, for whoever has no memory open. Raises as `compare`."""
    with opened_memory(config) as memory:
        return compare(config, memory)


@contextlib.contextmanager
def opened_memory(config: Config) -> Iterator[Memory]:
    """The trainer's memory, beside a trainer that may be running."""
    memory = Memory(config.trainer_state)
    try:
        yield memory
    finally:
        memory.close()


def noted_head(config: Config) -> Head:
    """How far the journal went at the last answer; nowhere where that journal was put aside with an acceptance."""
    if not (config.trainer_state / MEMORY).exists():
        return Head()
    with opened_memory(config) as memory:
        noted = memory.journal_head()
    keys = signatories(config, _pinned(config))
    for entry in entries(config.trainer_state, ACCEPTED):
        if is_accepted(entry, config, keys) and _head_of(entry) == (noted.lines, noted.digest):
            return Head()
    return noted


def check_newest(config: Config, agreement: Agreement, digest: str) -> None:
    """Raise Invalid for a version that is older than one which was signed here, also where that was lost.

    Codes ``agreement.older``, and ``agreement.conflict`` for another text of the same number.
    """
    for entry in entries(config.trainer_state, "agreement.signed"):
        match entry:
            case {"agreement_id": str(found), "version": int(version), "agreement": str(signed)} if found == str(
                agreement.agreement_id
            ):
                if version > agreement.version:
                    raise Invalid("agreement.older", f"The journal says that version {version} was signed here.")
                if version == agreement.version and signed != digest:
                    raise Invalid("agreement.conflict", f"The journal has another text as version {version}: {signed}.")


class _Reader:
    """Goes through the journal line by line, and asks the trainer's memory about each."""

    def __init__(self, config: Config, memory: Memory, pinned: Signatory | None) -> None:
        self._config = config
        self._memory = memory
        self._signatories = signatories(config, pinned)
        self._past = Past()
        self._unkept: set[str] = set()

    def read(self) -> Past:
        for entry in all_entries(self._config.trainer_state):
            self._see(entry.get("at"))
            self._take(entry)
        return self._past

    def _see(self, moment: object) -> None:
        if not isinstance(moment, str):
            return
        try:
            seen = datetime.fromisoformat(moment)
        except ValueError:
            return
        if seen.tzinfo is not None:
            self._past.latest = seen if self._past.latest is None else max(seen, self._past.latest)

    def _take(self, entry: Mapping[str, Any]) -> None:
        past = self._past
        match entry:
            case {"event": "order.allowed", "order_id": str(order_id), "job_id": str(job_id), "round": int(round_)}:
                self._allowed(entry, order_id, job_id, round_)
            case {"event": "order.refused", "order_id": str(order_id), "code": str(code)}:
                if code in UNKEPT:
                    self._unkept.add(order_id)
                elif code != "order.number_reused":
                    self._number(entry, order_id)
            case {"event": "sent", "purpose": "document", "order_id": str(order_id), "digest": str(digest)}:
                self._sent(order_id, digest)
            case {"event": "checkpoint.countersigned", "chain": str(chain), "position": int(at), "digest": str(digest)}:
                past.heads[chain] = checkpoints.Kept(at, digest)
                self._number(entry, str(entry.get("order_id")))
            case {"event": "agreement.signed", "agreement_id": str(name), "version": int(n), "agreement": str(digest)}:
                past.versions[name] = (n, digest)
            case {"event": "agreement.suspended" | "agreement.lifted" as event, "agreement_id": str(name)}:
                past.suspended[name] = event == "agreement.suspended"
            case {"event": "code.approved" | "code.refused" as event, "code": str(digest), "reviewer": str(person)}:
                past.reviews[digest, same_reviewer(person)] = event.removeprefix("code.")
            case {"event": "platform_key.adopted", "platform_key": str(key), "instead_of": str(before)}:
                past.platform_keys += [before, key]
            case {"event": event, "signatory": str(key)} if event == PINNED:
                past.signatory = key
            case {"event": "clock.behind", "seen": moment}:
                self._see(moment)
            case {"event": event} if event == ACCEPTED:
                self._accepted(entry)

    def _allowed(self, entry: Mapping[str, Any], order_id: str, job_id: str, round_: int) -> None:
        self._see(entry.get("issued_at"))
        found = self._memory.jobs.allowed(order_id)
        if found is None or found[:2] != (job_id, round_) or entry.get("model", found[2]) != found[2]:
            self._lacks(f"order {order_id}, round {round_} of job {job_id}, was allowed")
            self._past.lost_jobs.add(job_id)
        self._number(entry, order_id)

    def _number(self, entry: Mapping[str, Any], order_id: str) -> None:
        match entry:
            case {"silo_id": str(silo_id), "number": int(number)}:
                self._past.highest[silo_id] = max(number, self._past.highest.get(silo_id, 0))
                if self._memory.owner(silo_id, number) != order_id:
                    self._lacks(f"number {number} belongs to order {order_id}")

    def _sent(self, order_id: str, digest: str) -> None:
        if order_id in self._unkept:
            self._unkept.discard(order_id)
            return
        outcome = self._memory.outcome(order_id)
        if outcome is None or digest_bytes(outcome.document) != digest:
            self._lacks(f"order {order_id} was answered with {digest}")

    def _lacks(self, what: str) -> None:
        self._past.older.append(Older(MEMORY, what))

    def _accepted(self, entry: Mapping[str, Any]) -> None:
        """Go on from here: what was before counts no longer, but for what can't have been done twice."""
        if not is_accepted(entry, self._config, self._signatories):
            return
        before = self._past
        self._past = Past(heads=before.heads, suspended=before.suspended, signatory=before.signatory)
        self._see(entry.get("at"))
        self._past.highest = before.highest
        self._past.lost_jobs = {*before.lost_jobs, *map(str, entry.get("lost_jobs") or ())}
        self._past.floors = dict(before.floors)
        for silo_id, number in dict(entry.get("numbers") or {}).items():
            self._past.floors[silo_id] = max(int(number), before.floors.get(silo_id, 0))
        self._past.journal_accepted = before.journal_accepted
        if (head := _head_of(entry)) is not None:
            self._past.journal_accepted.add(head)


def _head_of(entry: Mapping[str, Any]) -> tuple[int, str | None] | None:
    match entry:
        case {"journal_put_aside": {"lines": int(lines), "digest": str() | None as digest}}:
            return lines, digest
    return None


def _agreements(past: Past, config: Config, pinned: Signatory | None) -> list[Older]:
    if pinned is None:
        return []
    store, found = Store(config.trainer_state, pinned.key), []
    for name in sorted({*past.versions, *past.suspended}):
        where = f"agreements/{name}.json"
        try:
            kept = store.find(UUID(name))
        except (FederationError, ValueError, OSError):
            continue  # orders under it are refused as it is, and the doctor says why
        version, digest = past.versions.get(name, (0, ""))
        have = (0, "") if kept is None else (kept.signed.agreement.version, kept.digest)
        if have[0] < version or (have[0] == version and have[1] != digest):
            found.append(Older(where, f"version {version}, {digest}, was signed here"))
        if past.suspended.get(name) and kept is not None and kept.suspension is None:
            found.append(Older(where, "it was suspended"))
    return found


def _heads(past: Past, config: Config, _pinned: Signatory | None) -> list[Older]:
    try:
        kept = checkpoints.kept_checkpoints(config.trainer_state)
    except Invalid:
        return []  # what can't be read is no reason to begin anew: countersigning is refused
    found = []
    for chain, head in sorted(past.heads.items()):
        ours = kept.get(chain)
        if ours is None or ours.position < head.position or (ours.position == head.position and ours != head):
            found.append(Older(checkpoints.FILE, f"{chain} was countersigned at {head.position}, {head.digest}"))
    return found


def _platform_key(past: Past, config: Config, _pinned: Signatory | None) -> list[Older]:
    """The key that was adopted last must be known, unless a person has pinned it, or one of another chain."""
    if not past.platform_keys:
        return []
    try:
        chain = known_chain(config.trainer_state)
    except FederationError:
        return []  # no order is taken
    last, pinned = past.platform_keys[-1], f"ed25519:{''.join(config.platform_key.split())}"
    if pinned == last or pinned not in past.platform_keys or (chain is not None and last in chain.key_ids):
        return []
    return [Older(CHAIN_FILE, f"the platform's key {last} was adopted")]


def _signatory(past: Past, _config: Config, pinned: Signatory | None) -> list[Older]:
    if past.signatory is None or pinned is None or pinned.key.key_id == past.signatory:
        return []
    return [Older(SIGNATORY_PIN, f"the signatory key {past.signatory} was pinned")]


def _plans(past: Past, config: Config, pinned: Signatory | None) -> list[Older]:
    if pinned is None:
        return []
    store, found = PlanStore(config.trainer_state, pinned.key), []
    for (digest, person), verdict in sorted(past.reviews.items()):
        try:
            kept = store.find(digest)
        except (FederationError, OSError):
            continue  # orders that name it are refused
        reviews = () if kept is None else kept.reviews
        if not any(same_reviewer(one.reviewer) == person and one.verdict == verdict for one in reviews):
            found.append(Older("plans", f"{person} {verdict} {digest}"))
    return found


def _pinned(config: Config) -> Signatory | None:
    try:
        return pinned_signatory(config)
    except FederationError:
        return None
