"""What the journal knows of the trainer's past, line by line, and what the trainer's memory lacks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from federation.plans.reviews import same_reviewer
from federation.protocol.digests import digest_bytes
from federation.protocol.tree_heads import TreeHead
from silo_connector.config import Config
from silo_connector.journal import all_entries
from silo_connector.own_keys import PINNED, Signatory
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.audit_checkpoints import LOG_ACCEPTED, SIGNED
from silo_connector.trainer.store.log_acceptance import accepted_in
from silo_connector.trainer.store.order_store import FILE as MEMORY
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.state_acceptance import ACCEPTED, is_accepted, put_aside, signatories

STATE_OLDER, CLOCK_BACK, STATE_LOST = "trainer.state_older", "trainer.clock_back", "job.state_lost"
NUMBER_LOST = "order.number_lost"
UNKEPT = frozenset({STATE_OLDER, CLOCK_BACK, NUMBER_LOST})
"""Refusals under these codes leave no trace in the stores: what is put back once more must not lack them."""
CLOCK = "clock"
OLDER_KEPT_MAX = 10_000
"""So many things are counted and named that the memory lacks; more make it no older."""


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
    heads: dict[str, TreeHead] = field(default_factory=dict)
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


def read_past(config: Config, memory: Memory, pinned: Signatory | None) -> Past:
    """Go through the journal. Raises Invalid ``journal.unreadable``."""
    return _Reader(config, memory, pinned).read()


class _Reader:
    """Goes through the journal line by line, and asks the trainer's memory about each."""

    def __init__(self, config: Config, memory: Memory, pinned: Signatory | None) -> None:
        self._config = config
        self._memory = memory
        self._signatories = signatories(config, pinned)
        self._past = Past()
        self._unkept: set[str] = set()
        self._forgotten_before = memory.forgotten_before
        self._may_lack = False

    def read(self) -> Past:
        for entry in all_entries(self._config.trainer_state):
            self._see(entry.get("at"))
            self._may_lack = self._forgotten_before is not None and str(entry.get("at")) < self._forgotten_before
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
            case {"event": event, "chain": str(chain), "position": int(at), "digest": str(digest)} if event == SIGNED:
                root = entry.get("root")
                past.heads[chain] = TreeHead(at, digest, root if isinstance(root, str) else None)
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
            case {"event": event} if event == LOG_ACCEPTED:
                statement = accepted_in(entry, self._config, self._signatories)
                if statement is not None and past.heads.get(statement.chain) == TreeHead(**statement.kept.model_dump()):
                    past.heads[statement.chain] = TreeHead(**statement.shown.model_dump())
            case {"event": event} if event == ACCEPTED:
                self._accepted(entry)

    def _allowed(self, entry: Mapping[str, Any], order_id: str, job_id: str, round_: int) -> None:
        self._see(entry.get("issued_at"))
        found = self._memory.jobs.allowed(order_id)
        if found is None or found[:2] != (job_id, round_) or (entry.get("model", found[2]) or "") != found[2]:
            self._lacks(f"order {order_id}, round {round_} of job {job_id}, was allowed")
            if not self._may_lack:
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
        """Note what is missing; of a whole memory that is lost, so many lines say enough."""
        if not self._may_lack and len(self._past.older) < OLDER_KEPT_MAX:
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
        if (head := put_aside(entry)) is not None:
            self._past.journal_accepted.add(head)
