"""Rounds of two steps in evidence: what a platform that owns its signing key may lie about them does not hold.

The mode is made of one of the tests' own: silos greet before they work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry
from federation.evidence.report import Report
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents.protection import parse_protection
from tests.support.decision_cases import NOW, order_of
from tests.support.evidence import ENVIRONMENT, Event, Played
from tests.support.plugins.added import SHARED, add_parts

ROUNDS = 2
SILOS = 4


class PlayedTwoSteps(Played):
    """A platform whose rounds have two steps."""

    def __init__(self) -> None:
        super().__init__(SILOS, ROUNDS, quorum=3, protection=parse_protection({"mode": "welcomed", "language": "en"}))

    def exchanges(self, rounds: int) -> Iterator[Entry]:
        """Greetings, and the work after them."""
        for number in range(1, rounds + 1):
            for place in range(SILOS):
                order = order_of(
                    self.manifest,
                    order_id=greeting(number, place),
                    number=1000 + number,
                    silo_id=self.manifest.cohort[place].silo_id,
                    manifest_digest=digest_bytes(self.sealed_manifest),
                    round=number,
                    kind="greet",
                )
                statement = documents.Submission(
                    **order.model_dump(include={"order_id", "number", "kind", "silo_id", "job_id", "round", "attempt"}),
                    manifest_digest=order.manifest_digest,
                    environment=ENVIRONMENT,
                    created_at=NOW,
                )
                yield Entry(f"order/{order.order_id}", documents.sign_document(order, self.platform))
                yield Entry(f"answer/{order.order_id}", documents.sign_document(statement, self.identities[place]))
        yield from super().exchanges(rounds)

    def events(self, entries: Sequence[Entry]) -> list[Event]:
        """Each round opens with its greetings, and goes on with the work."""
        digests = {entry.name: digest_bytes(entry.content) for entry in entries}
        of_work = [entry for entry in entries if not is_greeting(entry)]
        events: list[Event] = []
        for verb, detail in super().events(of_work):
            assert isinstance(detail, dict)
            greetings = [str(greeting(detail.get("round", 0), place)) for place in range(SILOS)]
            answered = {key: digests.get(f"answer/{key}") for key in greetings}
            if verb == "round.opened":
                statement = detail["evidence"]
                place = {"round": detail["round"], "attempt": 1}
                orders = {key: digests.get(f"order/{key}") for key in greetings}
                first = {"kind": "greet", "model": statement["model"], "orders": orders}
                events.append((verb, {**place, "evidence": first}))
                events += [answer(detail["round"], key, digest) for key, digest in answered.items()]
                second = {"kind": statement["kind"], "orders": statement["orders"]}
                events.append(("step.opened", {**place, "step": 2, "silos": SILOS, "evidence": second}))
                continue
            if verb == "round.closed":
                detail["evidence"]["counted"] = {**answered, **detail["evidence"]["counted"]}
            events.append((verb, detail))
        return events


def greeting(number: int, place: int) -> UUID:
    """The order to greet."""
    return UUID(int=number << 64 | 1000 + place)


def work(number: int, place: int) -> UUID:
    """The order to work."""
    return UUID(int=number << 64 | place)


def is_greeting(entry: Entry) -> bool:
    """Whether a document is of a first step."""
    kind, _, name = entry.name.partition("/")
    return kind in {"order", "answer"} and UUID(name).int & 0xFFFF >= 1000


def answer(number: int, key: str, digest: str | None) -> Event:
    """The event of an answer."""
    return "order.submitted", {"round": number, "evidence": {"order": key, "answer": digest}}


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedTwoSteps:
    add_parts(monkeypatch, {**SHARED, "federation.protection": "two_step_modes"})
    return PlayedTwoSteps()


Changes = Callable[[list[Entry], list[Event]], tuple[list[Entry], list[Event]]]


def reported(played: PlayedTwoSteps, change: Changes) -> Report:
    """What comes of it where the platform changes documents and events, and signs the log again."""
    entries = played.documents(ROUNDS)
    entries, events = change(entries, deepcopy(played.events(entries)))
    return verify_evidence(gather([*played.grounds(), *entries, *played.logged(events)]))


def place_of(events: Sequence[Event], verb: str, number: int = 1) -> int:
    """Where the event of a round is."""
    return next(
        at
        for at, (name, one_report) in enumerate(events)
        if name == verb and _detail(one_report).get("round") == number
    )


def _detail(statement: dict[str, Any] | bytes) -> dict[str, Any]:
    assert isinstance(statement, dict)
    return statement


def detail_of(events: Sequence[Event], verb: str, number: int = 1) -> dict[str, Any]:
    """What it says."""
    return _detail(events[place_of(events, verb, number)][1])


def answers_to(events: Sequence[Event], orders: set[str]) -> list[Event]:
    """The events of these orders' answers."""
    return [one for one in events if one[0] == "order.submitted" and _detail(one[1])["evidence"]["order"] in orders]


def first_step_left_out(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    greetings = {str(greeting(1, place)) for place in range(SILOS)}
    second = detail_of(events, "step.opened")["evidence"]
    detail_of(events, "round.opened")["evidence"] |= second
    counted = detail_of(events, "round.closed")["evidence"]["counted"]
    for key in greetings:
        del counted[key]
    gone = [events[place_of(events, "step.opened")], *answers_to(events, greetings)]
    kept = [entry for entry in entries if entry.name.partition("/")[2] not in greetings]
    return kept, [one for one in events if one not in gone]


def last_step_left_out(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    orders = {str(work(3, place)) for place in range(SILOS)}
    counted = detail_of(events, "round.closed", 3)["evidence"]["counted"]
    for key in orders:
        del counted[key]
    gone = [events[place_of(events, "step.opened", 3)], *answers_to(events, orders)]
    kept = [entry for entry in entries if entry.name.partition("/")[2] not in orders]
    return kept, [one for one in events if one not in gone]


def steps_swapped(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    first, second = detail_of(events, "round.opened")["evidence"], detail_of(events, "step.opened")["evidence"]
    first["kind"], second["kind"] = second["kind"], first["kind"]
    first["orders"], second["orders"] = second["orders"], first["orders"]
    greeted = answers_to(events, {str(greeting(1, place)) for place in range(SILOS)})
    worked = answers_to(events, {str(work(1, place)) for place in range(SILOS)})
    swapped = dict(zip(map(str, [*greeted, *worked]), [*worked, *greeted], strict=True))
    return entries, [swapped.get(str(one), one) for one in events]


def answer_of_step_1_as_of_step_2(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    by_name = {entry.name: entry.content for entry in entries}
    shown = Entry(f"answer/{work(3, 0)}", by_name[f"answer/{greeting(3, 0)}"])
    digest = digest_bytes(shown.content)
    (event,) = answers_to(events, {str(work(3, 0))})
    _detail(event[1])["evidence"]["answer"] = digest
    detail_of(events, "round.closed", 3)["evidence"]["counted"][str(work(3, 0))] = digest
    return [shown if entry.name == shown.name else entry for entry in entries], events


def order_of_step_1_as_of_step_2(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    first = detail_of(events, "round.opened")["evidence"]["orders"]
    detail_of(events, "step.opened")["evidence"]["orders"] |= {str(greeting(1, 0)): first[str(greeting(1, 0))]}
    return entries, events


def answer_of_step_1_after_step_2_has_opened(
    entries: list[Entry], events: list[Event]
) -> tuple[list[Entry], list[Event]]:
    (late,) = answers_to(events, {str(greeting(1, 0))})
    events.remove(late)
    events.insert(place_of(events, "step.opened") + 1, late)
    return entries, events


def rejected_silo_goes_on(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    key = str(greeting(1, 0))
    rejected: Event = ("update.rejected", {"round": 1, "order": key, "code": "words.not_letters"})
    events.insert(place_of(events, "step.opened"), rejected)
    del detail_of(events, "round.closed")["evidence"]["counted"][key]
    return entries, events


def greeting_uncounted(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    del detail_of(events, "round.closed")["evidence"]["counted"][str(greeting(1, 0))]
    return entries, events


def greetings_make_the_quorum(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    for place in (0, 1):
        key = str(work(3, place))
        events.insert(
            place_of(events, "round.closed", 3), ("update.rejected", {"round": 3, "order": key, "code": "update.nan"})
        )
        del detail_of(events, "round.closed", 3)["evidence"]["counted"][key]
    return entries, events


def step_skipped(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    detail_of(events, "step.opened")["step"] = 3
    return entries, events


def step_of_another_round(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
    detail_of(events, "step.opened")["round"] = 2
    return entries, events


def test_a_job_whose_rounds_have_two_steps_holds(played: PlayedTwoSteps) -> None:
    report = reported(played, lambda entries, events: (entries, events))
    assert report.holds, (report.faults, report.limits)
    assert (report.checked["rounds"], report.checked["orders"]) == (ROUNDS + 1, 2 * SILOS * (ROUNDS + 1))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (first_step_left_out, "history.steps_missing"),
        (last_step_left_out, "history.steps_missing"),
        (steps_swapped, "history.other_kind"),
        (answer_of_step_1_as_of_step_2, "answer.other_order"),
        (order_of_step_1_as_of_step_2, "history.order_twice"),
        (answer_of_step_1_after_step_2_has_opened, "history.out_of_order"),
        (rejected_silo_goes_on, "order.silo_not_counted"),
        (greeting_uncounted, "history.answer_uncounted"),
        (greetings_make_the_quorum, "history.too_few"),
        (step_skipped, "history.step_gap"),
        (step_of_another_round, "history.not_open"),
    ],
)
def test_a_lie_about_steps_is_a_fault(played: PlayedTwoSteps, change: Changes, code: str) -> None:
    assert code in {fault.code for fault in reported(played, change).faults}


@pytest.mark.parametrize("kind", ["unmask", "nobody_knows"])
def test_orders_of_kinds_that_the_mode_has_not_are_a_fault(played: PlayedTwoSteps, kind: str) -> None:
    name = f"order/{greeting(1, 0)}"

    def change(entries: list[Entry], events: list[Event]) -> tuple[list[Entry], list[Event]]:
        sealed = next(entry.content for entry in entries if entry.name == name)
        order = documents.verify_document(documents.Order, sealed, [played.platform.public])
        other = order.model_copy(update={"kind": kind})
        changed = documents.sign_document(other, played.platform)
        return [replace(one, content=changed) if one.name == name else one for one in entries], events

    assert "order.task_mismatch" in {fault.code for fault in reported(played, change).faults}
