"""What a job's events report, as a whole: what it began with, its rounds, the answers taken, the models made, its end.

Only the events are read here and held against one another; `matching` holds them against the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.agreements.answer_bounds import CODES
from federation.evidence.events import JobEvent
from federation.evidence.report import Fault, Report
from federation.evidence.root_documents import RootDocuments
from federation.evidence.round_events import History, RoundEvents, StepEvents
from federation.protection import mode_of
from federation.protocol.documents import OF_NO_ROUND, Manifest, OrderKindName
from federation.protocol.documents.base import Count, Digest, Part
from federation.tasks import task_of

ENDS: Final = frozenset({"job.completed", "job.failed", "job.cancelled"})
_ORDER_ID = Annotated[str, Field(max_length=36)]


class _Began(Part):
    manifest: Digest
    agreement: Digest | None
    initial_model: Digest | None


class _Opened(Part):
    kind: OrderKindName
    model: Digest | None
    orders: dict[_ORDER_ID, Digest]


class _Given(Part):
    kind: OrderKindName
    orders: dict[_ORDER_ID, Digest]


class _Answered(Part):
    order: _ORDER_ID
    answer: Digest


class _Recalled(Part):
    order: _ORDER_ID


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
    """The plain part of a detail; what it reports to people besides is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    round: Count
    attempt: Count = 1


class _OfStep(_OfRound):
    step: Count


class _Rejected(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    order: _ORDER_ID
    code: str = ""
    evidence: _Unread | None = None
    """Where the answer said more than it may, so that nobody has kept it."""


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
    if unread := sum(len(step.unread) for step in history.steps):
        report.checked["answers rejected and not kept"] = unread
    return history


_Faults = Iterator[tuple[str, str]]


def _evidence(event: JobEvent) -> Any:
    return event.detail.get("evidence")


def _running(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    if _evidence(event) is None:  # it goes on after a pause
        return
    statement = _Began.model_validate(_evidence(event))
    if history.began:
        yield "history.begun_twice", "The job begins a second time."
    history.began = True
    manifest = found.manifest
    mine = (found.manifest_digest, manifest.agreement_digest, manifest.initial_model_digest)
    if (statement.manifest, statement.agreement, statement.initial_model) != mine:
        yield "history.other_manifest", "The job began with another manifest, agreement or model than those here."


def _round_opened(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    place, statement = _OfRound.model_validate(event.detail), _Opened.model_validate(_evidence(event))
    closed = history.closed
    if not history.began or history.ended:
        yield "history.out_of_order", "A round opens before the job has begun, or after its end."
    if place.round != len(closed) + 1:
        yield "history.round_gap", f"Round {place.round} opens when {len(closed)} rounds are closed."
    if statement.model != (closed[-1].model if closed else found.manifest.initial_model_digest):
        yield "history.other_base", f"Round {place.round} begins with another model than the one before it made."
    if history.rounds and history.rounds[-1].is_open:
        yield "history.round_open", f"Round {place.round} opens, and the one before is neither closed nor abandoned."
    if history.rounds and history.rounds[-1].number == place.round and history.rounds[-1].attempt >= place.attempt:
        yield "history.round_twice", f"Round {place.round} opens twice as attempt {place.attempt}."
    work = _work_of(found.manifest, place.round)
    kinds = mode_of(found.manifest.protection.mode).kinds_of_round(work)
    reported = RoundEvents(place.round, place.attempt, work, kinds, statement.model)
    yield from _add_step(history, reported, statement)
    history.rounds.append(reported)


def _step_opened(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    place, statement = _OfStep.model_validate(event.detail), _Given.model_validate(_evidence(event))
    reported = _open_round(history, place)
    if reported is None:
        yield "history.not_open", f"A step of round {place.round} opens, and the round is not open."
        return
    if history.ended:
        yield "history.out_of_order", "A step opens after the job's end."
    if place.step != len(reported.steps) + 1:
        yield "history.step_gap", f"Step {place.step} of round {place.round} opens after {len(reported.steps)} steps."
    yield from _add_step(history, reported, statement)


def _open_round(history: History, place: _OfRound) -> RoundEvents | None:
    """The attempt at a round that is open, if it is this one."""
    last = history.rounds[-1] if history.rounds else None
    is_it = last is not None and last.is_open and (last.number, last.attempt) == (place.round, place.attempt)
    return last if is_it else None


def _round_abandoned(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    place = _OfRound.model_validate(event.detail)
    reported = _open_round(history, place)
    if reported is None:
        yield "history.not_open", f"Round {place.round} is abandoned without being open."
        return
    reported.is_abandoned = True


def _add_step(history: History, reported: RoundEvents, statement: _Opened | _Given) -> _Faults:
    """The next step of a round that is open, or about to be."""
    place = len(reported.steps)
    if place >= len(reported.kinds) or statement.kind != reported.kinds[place]:
        yield "history.other_kind", f"Step {place + 1} of round {reported.number} is of the kind {statement.kind}."
    yield from _give(history, reported, statement)


def _issued(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    statement = _Given.model_validate(_evidence(event))
    if statement.kind not in OF_NO_ROUND:
        yield "history.other_kind", f"Orders of the kind {statement.kind} belong to a round."
    yield from _give(history, None, statement)


def _give(history: History, to: RoundEvents | None, statement: _Opened | _Given) -> _Faults:
    if any(history.step_of(order) is not None for order in statement.orders):
        yield "history.order_twice", "It gives an order that was given before."
    history.add_step(to, StepEvents(statement.kind, statement.orders))


def _work_of(manifest: Manifest, number: int) -> str:
    """What the silos do in this round of a job."""
    task = task_of(manifest.task)
    closing = task.closes_with if number > manifest.rounds else None
    return closing or task.order_kind


def _answered(history: History, event: JobEvent, _: RootDocuments, *, refused: bool) -> _Faults:
    statement = _Answered.model_validate(_evidence(event))
    step = history.step_of(statement.order)
    if step is None:
        yield "history.no_order", "It answers an order that was not given."
        return
    if statement.order in step.answers or statement.order in step.refusals:
        yield "history.answered_twice", f"The order {statement.order} is answered twice."
    if history.is_over(statement.order):
        yield "history.out_of_order", "The answer comes after its step or round was over."
    if statement.order in step.recalled:
        yield "history.out_of_order", "The answer comes after its order was recalled."
    (step.refusals if refused else step.answers)[statement.order] = statement.answer


def _recalled(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    if _evidence(event) is None:  # as it was written before 0.2.0: it does not say which order
        return
    order = _Recalled.model_validate(_evidence(event)).order
    step = history.step_of(order)
    if step is None:
        yield "history.no_order", "What is recalled was never given."
        return
    if order in step.answers or order in step.refusals:
        yield "history.out_of_order", "An order is recalled that was answered before."
    step.recalled.add(order)


def _rejected(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    statement = _Rejected.model_validate(event.detail)
    order = statement.order
    step = history.step_of(order)
    if step is None or order not in step.answers:
        yield "history.no_order", "What is rejected was never taken."
        return
    if history.is_over(order):
        yield "history.out_of_order", "An answer is rejected after its step or round was over."
        return
    step.rejected.add(order)
    if statement.evidence is None:
        if history.is_of_no_round(order):
            yield "history.out_of_order", "An answer that belongs to no round counts at once, and is rejected later."
        return
    if (statement.evidence.order, statement.evidence.answer) != (
        order,
        step.answers[order],
    ) or statement.code not in CODES:
        yield "history.rejected_unread", "An answer is not kept, and it is another one or there is no reason."
        return
    step.unread.add(order)


def _round_closed(history: History, event: JobEvent, found: RootDocuments) -> _Faults:
    place, statement = _OfRound.model_validate(event.detail), _Closed.model_validate(_evidence(event))
    reported = _open_round(history, place)
    if reported is None:
        yield "history.not_open", f"Round {place.round} is closed without being open."
        return
    if history.ended:
        yield "history.out_of_order", "A round is closed after the job's end."
    if statement.base != reported.base:
        yield "history.other_base", f"Round {place.round} began with another model than it is closed with."
    if not reported.makes_model and statement.model != statement.base:
        yield "history.other_model", "Only training makes a model."
    if reported.releases_statistics != (statement.statistics is not None):
        yield "history.statistics", "A round of statistics releases some, and no other round does."
    if len(reported.steps) < len(reported.kinds):
        yield (
            "history.steps_missing",
            f"Round {place.round} is closed after {len(reported.steps)} of {len(reported.kinds)} steps.",
        )
    if dict(statement.counted) != {order: answer for step in reported.steps for order, answer in step.counting.items()}:
        yield "history.answer_uncounted", f"Round {place.round} counts other answers than were taken and not rejected."
    of_work = reported.orders_of_work
    reported.counted = {order: answer for order, answer in statement.counted.items() if order in of_work}
    if len(reported.counted) < found.manifest.quorum:
        yield "history.too_few", f"Round {place.round} counts {len(reported.counted)} answers, fewer than the quorum."
    reported.model, reported.statistics = statement.model, statement.statistics


def _passport_issued(history: History, event: JobEvent, _: RootDocuments) -> _Faults:
    number, statement = _OfRound.model_validate(event.detail).round, _Issued.model_validate(_evidence(event))
    if any(number == known for known, _, _ in history.passports):
        yield "passport.twice", f"Round {number} has two passports."
    history.passports.append((number, statement.model, statement.passport))


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
    "step.opened": _step_opened,
    "order.issued": _issued,
    "order.submitted": partial(_answered, refused=False),
    "order.refused": partial(_answered, refused=True),
    "order.recalled": _recalled,
    "update.rejected": _rejected,
    "round.closed": _round_closed,
    "round.abandoned": _round_abandoned,
    "passport.issued": _passport_issued,
    **dict.fromkeys(ENDS, _ended),
}
