"""What a job's events tell, as a whole: what it began with, its rounds, the answers taken, the models made, its end.

Only the events are read here and held against one another; `matching` holds them against the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.agreements.answer_bounds import CODES
from federation.evidence.events import JobEvent
from federation.evidence.report import Fault, Report
from federation.evidence.root_documents import RootDocuments
from federation.protocol.documents import Manifest, OrderKind
from federation.protocol.documents.base import Count, Digest, Part

ENDS: Final = frozenset({"job.completed", "job.failed", "job.cancelled"})
_ORDER_ID = Annotated[str, Field(max_length=36)]


class _Began(Part):
    manifest: Digest
    agreement: Digest | None
    initial_model: Digest | None


class _Opened(Part):
    kind: OrderKind
    model: Digest | None
    orders: dict[_ORDER_ID, Digest]


class _Answered(Part):
    order: _ORDER_ID
    answer: Digest


class _Unread(Part):
    order: _ORDER_ID
    answer: Digest
    kept: Literal[False]


class _Closed(Part):
    base: Digest | None
    model: Digest | None
    counted: dict[_ORDER_ID, Digest]
    statistics: Digest | None = None


class _Issued(Part):
    model: Digest
    passport: Digest


class _Completed(Part):
    model: Digest | None


class _OfRound(BaseModel):
    """The plain part of a detail; what it tells people besides is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    round: Count
    attempt: Count = 1


class _Rejected(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    order: _ORDER_ID
    code: str = ""
    evidence: _Unread | None = None
    """Where the answer said more than it may, so that nobody has kept it."""


@dataclass
class RoundEvents:
    """An attempt at a round, from its opening on."""

    number: int
    attempt: int
    kind: OrderKind
    base: str | None
    """None in a job that is about no model."""
    orders: Mapping[str, str]
    """Digests of the orders, by their ids."""
    answers: dict[str, str] = field(default_factory=dict)
    """Digests of submissions that were taken, by the orders' ids."""
    refusals: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    """Those of the rejected answers that were not kept: the log has their digests and no more."""
    counted: Mapping[str, str] | None = None
    """None while the round is not closed, or where it was abandoned."""
    model: str | None = ""
    statistics: str | None = None
    """Of what was released, where the round was closed with statistics."""


@dataclass
class History:
    """All that the events tell."""

    rounds: list[RoundEvents] = field(default_factory=list)
    """Every attempt, in the order of their opening."""
    passports: list[tuple[int, str, str]] = field(default_factory=list)
    """Round, weights and document of each passport."""
    began: bool = False
    ended: str = ""
    """The verb of the job's end; empty while it goes on."""
    ends_with: str | None = ""
    """The model with which it was completed."""

    @property
    def closed(self) -> list[RoundEvents]:
        """The rounds that count."""
        return [one for one in self.rounds if one.counted is not None]

    def round_of(self, order_id: str) -> RoundEvents | None:
        """The attempt in which an order was given."""
        return next((one for one in reversed(self.rounds) if order_id in one.orders), None)


def history_of(events: Iterable[JobEvent], found: RootDocuments, report: Report) -> History:
    """Read the events in their order; faults where one can't be as it is after those before it."""
    history = History()
    for event in events:
        take = _TAKES.get(event.verb)
        if take is None:
            continue
        try:
            faults = list(take(history, event, found))
        except ValidationError:
            faults = [("event.malformed", f"It does not say what an event {event.verb} says.")]
        report.faults.extend(Fault(event.where, code, what) for code, what in faults)
    report.faults.extend(Fault("history", code, what) for code, what in _as_a_whole(history, found))
    report.checked["rounds"] = len(history.closed)
    if unread := sum(len(one.unread) for one in history.rounds):
        report.checked["answers rejected and not kept"] = unread
    return history


_Faults = Iterator[tuple[str, str]]


def _evidence(event: JobEvent) -> Any:
    return event.detail.get("evidence")


def _running(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    if _evidence(event) is None:  # it goes on after a pause
        return
    said = _Began.model_validate(_evidence(event))
    if history.began:
        yield "history.begun_twice", "The job begins a second time."
    history.began = True
    manifest = found.manifest
    mine = (found.manifest_digest, manifest.agreement_digest, manifest.initial_model_digest)
    if (said.manifest, said.agreement, said.initial_model) != mine:
        yield "history.other_manifest", "The job began with another manifest, agreement or model than those here."


def _round_opened(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    place, said = _OfRound.model_validate(event.detail), _Opened.model_validate(_evidence(event))
    closed = history.closed
    if not history.began or history.ended:
        yield "history.out_of_order", "A round opens before the job has begun, or after its end."
    if place.round != len(closed) + 1:
        yield "history.round_gap", f"Round {place.round} opens when {len(closed)} rounds are closed."
    if said.model != (closed[-1].model if closed else found.manifest.initial_model_digest):
        yield "history.other_base", f"Round {place.round} begins with another model than the one before it made."
    if history.rounds and history.rounds[-1].number == place.round and history.rounds[-1].attempt >= place.attempt:
        yield "history.round_twice", f"Round {place.round} opens twice as attempt {place.attempt}."
    if said.kind is not _work_of(found.manifest, place.round):
        yield "history.other_kind", f"Round {place.round} is of the kind {said.kind}."
    history.rounds.append(RoundEvents(place.round, place.attempt, said.kind, said.model, said.orders))


def _work_of(manifest: Manifest, number: int) -> OrderKind:
    """What the silos do in this round of a job."""
    if manifest.task == "train":
        return OrderKind.TRAIN if number <= manifest.rounds else OrderKind.EVALUATE
    return OrderKind(manifest.task)


def _answered(history: History, event: JobEvent, _: RootDocuments, *, refused: bool) -> _Faults:
    said = _Answered.model_validate(_evidence(event))
    told = history.round_of(said.order)
    if told is None:
        yield "history.no_order", "It answers an order that no round has given."
        return
    if said.order in told.answers or said.order in told.refusals:
        yield "history.answered_twice", f"The order {said.order} is answered twice."
    if told.counted is not None:
        yield "history.out_of_order", "The answer comes after its round was closed."
    (told.refusals if refused else told.answers)[said.order] = said.answer


def _rejected(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    said = _Rejected.model_validate(event.detail)
    order = said.order
    told = history.round_of(order)
    if told is None or order not in told.answers:
        yield "history.no_order", "What is rejected was never taken."
        return
    if told.counted is not None:
        yield "history.out_of_order", "An answer is rejected after its round was closed."
        return
    told.rejected.add(order)
    if said.evidence is None:
        return
    if (said.evidence.order, said.evidence.answer) != (order, told.answers[order]) or said.code not in CODES:
        yield "history.rejected_unread", "An answer is not kept, and it is another one or there is no reason."
        return
    told.unread.add(order)


def _round_closed(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    place, said = _OfRound.model_validate(event.detail), _Closed.model_validate(_evidence(event))
    told = history.rounds[-1] if history.rounds else None
    if told is None or (told.number, told.attempt) != (place.round, place.attempt) or told.counted is not None:
        yield "history.not_open", f"Round {place.round} is closed without being open."
        return
    if history.ended:
        yield "history.out_of_order", "A round is closed after the job's end."
    if said.base != told.base:
        yield "history.other_base", f"Round {place.round} began with another model than it is closed with."
    if told.kind is not OrderKind.TRAIN and said.model != said.base:
        yield "history.other_model", "Only training makes a model."
    if (told.kind is OrderKind.STATISTICS) != (said.statistics is not None):
        yield "history.statistics", "A round of statistics releases some, and no other round does."
    standing = {order: answer for order, answer in told.answers.items() if order not in told.rejected}
    if dict(said.counted) != standing:
        yield "history.answer_uncounted", f"Round {place.round} counts other answers than were taken and not rejected."
    if len(said.counted) < found.manifest.quorum:
        yield "history.too_few", f"Round {place.round} counts {len(said.counted)} answers, fewer than the quorum."
    told.counted, told.model, told.statistics = said.counted, said.model, said.statistics


def _passport_issued(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    number, said = _OfRound.model_validate(event.detail).round, _Issued.model_validate(_evidence(event))
    if any(number == known for known, _, _ in history.passports):
        yield "passport.twice", f"Round {number} has two passports."
    history.passports.append((number, said.model, said.passport))


def _ended(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    if history.ended:
        yield "history.out_of_order", "The job ends twice."
    history.ended = event.verb
    if event.verb == "job.completed":
        history.ends_with = _Completed.model_validate(_evidence(event)).model


def _as_a_whole(history: History, found: RootDocuments) -> _Faults:
    if not history.began:
        yield "history.not_begun", "No event says with which manifest the job began."
    if history.ended != "job.completed":
        return
    closed = history.closed
    if len(closed) != found.manifest.rounds + 1:
        yield "history.rounds_missing", f"The job is said to be complete after {len(closed)} rounds."
    if history.ends_with != (closed[-1].model if closed else found.manifest.initial_model_digest):
        yield "history.other_model", "The job ends with another model than its last round made."


_TAKES: Final[Mapping[str, Callable[[History, JobEvent, RootDocuments], _Faults]]] = {
    "job.running": _running,
    "round.opened": _round_opened,
    "order.submitted": partial(_answered, refused=False),
    "order.refused": partial(_answered, refused=True),
    "update.rejected": _rejected,
    "round.closed": _round_closed,
    "passport.issued": _passport_issued,
    **dict.fromkeys(ENDS, _ended),
}
