"""A platform that lies while a job runs: its log says so, and silos have countersigned it unread.

What is in the log then fits itself. It is found where it does not fit what the silos have signed, or it is no more than
the platform's word, and the evidence says that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from federation.evidence import bundle_parser
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle, write_bundle
from federation.evidence.own_orders import OwnOrder
from federation.evidence.passports import Evaluation, Passport, open_passport, sign_passport
from federation.evidence.report import Report, Verdict
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.chains import chain_of
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.tree_heads import TreeHead
from tests.support.decision_cases import NOW
from tests.support.evidence import Event, Played, answer_to, model_of

ROUNDS = 3
PLAYED = Played(rounds=ROUNDS, quorum=3)
DOCUMENTS = PLAYED.documents(ROUNDS)
CHAIN = chain_of(PLAYED.manifest.consortium_id)
ELSE = digest_bytes(b"an invented model")
LAST = str(UUID(int=2 << 64 | 3))
"""The order of the last silo in the second round."""


def verified(entries: Sequence[Entry], events: Sequence[Event]) -> Report:
    """What a bundle of these comes to; the silos have countersigned all events."""
    bundle = [*PLAYED.grounds(), *entries, *PLAYED.logged(events)]
    return verify_evidence(gather(read_bundle(list(write_bundle(bundle)))))


def codes(report: Report) -> set[str]:
    """What is wrong."""
    return {fault.code for fault in report.faults}


def limits(report: Report) -> set[str]:
    """What is not bound."""
    return {limit.code for limit in report.limits}


def round_of(entry: Entry) -> int:
    """The round that a document is of."""
    kind, _, name = entry.name.partition("/")
    return int(name) if kind == "passport" else UUID(name).int >> 64


def with_passport(entries: Iterable[Entry], number: int, weights: str, **changes: object) -> list[Entry]:
    """These documents with the passport of a round signed again."""
    name, found = f"{bundle_parser.PASSPORT}{number}", list(entries)
    _, statement = open_passport(next(one.content for one in found if one.name == name), [PLAYED.platform.public])
    statement = Passport.model_validate(statement.model_dump() | changes)
    return [
        one if one.name != name else Entry(name, sign_passport(weights, statement, PLAYED.platform)) for one in found
    ]


def ended_after(rounds: int, model: str, verb: str) -> Report:
    """A job that ended so after so many rounds, the last of which is said to have made this model."""
    entries = [entry for entry in DOCUMENTS if round_of(entry) <= rounds]
    entries = with_passport(entries, rounds, model, evaluation=Evaluation().model_dump())
    events: list[Event] = []
    for name, detail in PLAYED.events(entries):
        assert isinstance(detail, dict)
        reported = detail.get("evidence") or {}
        if name in {"round.closed", "passport.issued"} and detail["round"] == rounds:
            detail = detail | {"evidence": reported | {"model": model}}
        events.append((name, detail))
    issued = [event for event in events if event[0] == "passport.issued"]
    return verified(entries, [*(one for one in events if one[0] != "passport.issued"), (verb, {}), *issued])


@pytest.mark.parametrize("verb", ["job.failed", "job.cancelled"])
@pytest.mark.parametrize("model", [ELSE, model_of(2)])
def test_the_last_model_of_a_job_that_was_broken_off_is_the_platform_s_word(verb: str, model: str) -> None:
    """No silo was sent it: an invented one looks no different from the true one."""
    report = ended_after(2, model, verb)
    assert (report.verdict, codes(report), limits(report)) == (Verdict.LIMITED, set(), {"evidence.model_untried"})


def without_last(entries: Sequence[Entry], events: Sequence[Event]) -> tuple[list[Entry], list[Event]]:
    """Passports and closing of the second round without its last silo, which tried the first round's model there."""
    names = {1: f"{bundle_parser.PASSPORT}1", 2: f"{bundle_parser.PASSPORT}2"}
    sealed = {number: next(one.content for one in entries if one.name == name) for number, name in names.items()}
    digest, statement = open_passport(sealed[2], [PLAYED.platform.public])
    participants = [one.model_dump() for one in statement.participants if str(one.order_id) != LAST]
    changed = with_passport(entries, 2, digest, participants=participants)
    tried = Evaluation(silos=3, loss=0.5, accuracy=0.75).model_dump()
    changed = with_passport(changed, 1, model_of(1), evaluation=tried)
    digests = {one.name: digest_bytes(one.content) for one in changed}
    found: list[Event] = []
    for verb, detail in events:
        assert isinstance(detail, dict)
        reported: dict[str, Any] = detail.get("evidence", {})
        if verb == "round.closed" and detail["round"] == 2:
            counted = {key: value for key, value in reported["counted"].items() if key != LAST}
            detail = detail | {"evidence": reported | {"counted": counted}}
        elif verb == "passport.issued" and detail["round"] in names:
            detail = detail | {"evidence": reported | {"passport": digests[names[detail["round"]]]}}
        found.append((verb, detail))
    return changed, found


def is_answer_of_last(event: Event) -> bool:
    """Whether an event is the taking of that silo's answer."""
    verb, detail = event
    return verb == "order.submitted" and isinstance(detail, dict) and detail["evidence"]["order"] == LAST


def test_an_answer_can_t_be_left_out_by_calling_it_a_refusal() -> None:
    entries, events = without_last(DOCUMENTS, PLAYED.events(DOCUMENTS))
    events = [("order.refused", event[1]) if is_answer_of_last(event) else event for event in events]
    assert codes(verified(entries, events)) == {"answer.other_kind"}


def test_an_answer_can_t_be_rejected_once_it_has_counted() -> None:
    report = verified(DOCUMENTS, [*PLAYED.events(DOCUMENTS), ("update.rejected", {"order": LAST})])
    assert codes(report) == {"history.out_of_order"}


def with_answer(**changes: Any) -> list[Entry]:
    """The documents, in which the last silo answers its order of the second round so."""
    order = documents.read(
        documents.Order,
        payload_unverified(next(one.content for one in DOCUMENTS if one.name == f"{bundle_parser.ORDER}{LAST}")),
    )
    statement = answer_to(order).model_copy(update=changes)
    sealed = documents.sign_document(statement, PLAYED.identities[3])
    return [one if one.name != f"{bundle_parser.ANSWER}{LAST}" else Entry(one.name, sealed) for one in DOCUMENTS]


TRAINED = documents.TrainingReport(rows=10, steps=1, loss=0.5, update_norm_l2=1.0)
BAD: dict[str, dict[str, Any]] = {
    "update.weight": {"training": TRAINED.model_copy(update={"rows": 10**9})},
    "update.norm_exceeded": {"training": TRAINED.model_copy(update={"update_norm_l2": 1e6})},
    "answer.not_agreed": {
        "evaluation": documents.EvaluationReport(rows=20, figures={"loss": 0.5, "accuracy": 0.75, "auc": 0.5})
    },
    "answer.small_cell": {"evaluation": documents.EvaluationReport(rows=4)},
}


@pytest.mark.parametrize("code", BAD)
def test_what_a_silo_says_beyond_its_bounds_spoils_no_evidence_where_it_was_rejected(code: str) -> None:
    """Else any one silo could spoil the evidence of a job by a single answer."""
    entries, events = without_last(with_answer(**BAD[code]), PLAYED.events(with_answer(**BAD[code])))
    place = next(number for number, event in enumerate(events) if is_answer_of_last(event))
    rejected = [*events[: place + 1], ("update.rejected", {"order": LAST}), *events[place + 1 :]]
    report = verified(entries, rejected)
    assert (report.verdict, codes(report)) == (Verdict.HOLDS, set())
    assert code in codes(verified(with_answer(**BAD[code]), PLAYED.events(with_answer(**BAD[code]))))


def rejected_unread(code: str, **changes: object) -> Report:
    """The last silo's answer of the second round was rejected as it came, and is nowhere but for its digest."""
    answered = with_answer(evaluation=documents.EvaluationReport(rows=20, figures={"auc": 0.5}))
    entries, events = without_last(answered, PLAYED.events(answered))
    place = next(number for number, event in enumerate(events) if is_answer_of_last(event))
    taken = events[place][1]
    assert isinstance(taken, dict)
    by_name = {"order": LAST, "code": code, "evidence": taken["evidence"] | {"kept": False} | changes}
    without = [entry for entry in entries if entry.name != f"{bundle_parser.ANSWER}{LAST}"]
    return verified(without, [*events[: place + 1], ("update.rejected", by_name), *events[place + 1 :]])


def test_an_answer_that_was_rejected_as_it_came_is_not_missed() -> None:
    """Nobody may keep figures that were not agreed: the log has the answer's digest, and the reason."""
    report = rejected_unread("answer.not_agreed")
    assert (report.verdict, report.faults) == (Verdict.HOLDS, [])
    assert report.checked["answers rejected and not kept"] == 1


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("update.not_finite", {}),
        ("", {}),
        ("answer.not_agreed", {"answer": ELSE}),
        ("answer.not_agreed", {"order": str(UUID(int=2 << 64))}),
    ],
)
def test_no_answer_is_left_out_by_calling_it_rejected(code: str, changes: dict[str, object]) -> None:
    assert {"history.rejected_unread", "answer.left_out"} <= codes(rejected_unread(code, **changes))


def own(order_id: str, **changes: Any) -> OwnOrder:
    """An order of the bundle as the journal of its silo has it."""
    names = {one.name: digest_bytes(one.content) for one in DOCUMENTS}
    order, answer = names.get(f"{bundle_parser.ORDER}{order_id}"), names.get(f"{bundle_parser.ANSWER}{order_id}", ELSE)
    by_name: dict[str, Any] = {"order_id": order_id, "issued_at": NOW, "digest": order, "answers": frozenset({answer})}
    return OwnOrder(**(by_name | changes))


HIDDEN = str(UUID(int=99))


def seen_by_silo(orders: Sequence[OwnOrder], rounds: int = ROUNDS, *, given_up: bool = False) -> Report:
    """What a silo whose journal has these orders finds in a bundle of so many rounds that fits in itself."""
    entries = PLAYED.documents(rounds)
    bundle = [*PLAYED.grounds(), *entries, *PLAYED.logged(PLAYED.events(entries))]
    lost = {CHAIN: {TreeHead(50, "f" * 64)}} if given_up else None
    evidence = gather(read_bundle(list(write_bundle(bundle))))
    return verify_evidence(evidence, given_up=lost, own={str(PLAYED.manifest.job_id): orders})


def test_a_silo_finds_that_another_history_of_its_job_is_shown() -> None:
    """Both histories may be in one log that everybody has countersigned: each bundle fits in itself."""
    report = seen_by_silo([own(LAST), own(str(UUID(int=1 << 64)))])
    assert (report.verdict, report.faults) == (Verdict.HOLDS, [])
    assert report.checked["orders in the own journal"] == 2
    for order in (own(HIDDEN), own(HIDDEN, issued_at=None, digest=None, answers=frozenset())):
        assert codes(seen_by_silo([own(LAST), order])) == {"order.left_out"}
    assert codes(seen_by_silo([own(LAST, digest=ELSE)])) == {"order.other_document"}
    assert codes(seen_by_silo([own(LAST, answers=frozenset({ELSE}))])) == {"answer.other_document"}
    assert codes(seen_by_silo([own(LAST, digest=None, answers=frozenset())])) == set(), "a journal that says less"


def test_an_order_that_is_newer_than_the_bundle_is_in_a_later_one() -> None:
    newer = own(HIDDEN, issued_at=NOW + timedelta(minutes=1))
    unfinished = seen_by_silo([newer, own(HIDDEN, issued_at=None)], rounds=2)
    assert (codes(unfinished), limits(unfinished)) == (set(), {"evidence.job_goes_on"})
    assert codes(seen_by_silo([own(HIDDEN)], rounds=2)) == {"order.left_out"}
    assert codes(seen_by_silo([newer])) == {"order.left_out"}, "the job is over"


def test_orders_that_were_lost_with_a_log_are_reported_as_a_limit() -> None:
    report = seen_by_silo([own(HIDDEN)], given_up=True)
    assert (codes(report), limits(report)) == (set(), {"evidence.log_restored", "order.left_out"})


def evaluated(evaluation: Evaluation, **tried: Any) -> Report:
    """The last silo has found this of the first round's model in the second round, and its passport says that."""
    entries = with_answer(evaluation=documents.EvaluationReport(**tried))
    answer = digest_bytes(next(one.content for one in entries if one.name == f"{bundle_parser.ANSWER}{LAST}"))
    sealed = next(one.content for one in entries if one.name == f"{bundle_parser.PASSPORT}2")
    participants = [
        one.model_dump() | ({"answer_digest": answer} if str(one.order_id) == LAST else {})
        for one in open_passport(sealed, [PLAYED.platform.public])[1].participants
    ]
    entries = with_passport(entries, 2, model_of(2), participants=participants)
    entries = with_passport(entries, 1, model_of(1), evaluation=evaluation.model_dump())
    return verified(entries, PLAYED.events(entries))


WORSE = {"rows": 20, "figures": {"loss": 1.5, "accuracy": 0.25}}
LARGE = {"rows": 300, "figures": {"loss": -5.0, "accuracy": 0.25}}
"""Held to half of what counts, and to a loss of 0."""


@pytest.mark.parametrize(
    ("silos", "loss", "accuracy", "tried", "holds"),
    [
        (4, 0.75, 0.625, WORSE, True),
        (4, 0.75, 0.625 + 1e-6, WORSE, False),
        (4, 0.5, 0.625, WORSE, False),
        (4, 0.75, 0.75, WORSE, False),
        (3, 0.5, 0.75, WORSE, False),
        (4, None, 0.625, WORSE, False),
        (0, None, None, WORSE, False),
        (4, 0.25, 0.5, LARGE, True),
        (4, 0.0, 1 / 3, LARGE, False),
        (3, 0.5, 0.75, {"rows": 0, "suppressed": True}, True),
        (4, 0.5, 0.75, {"rows": 0, "suppressed": True}, False),
    ],
)
def test_a_passport_s_figures_are_those_that_the_silos_signed(
    silos: int, loss: float | None, accuracy: float | None, tried: dict[str, Any], holds: bool
) -> None:
    """Between the lowest and the highest is not enough: a platform would praise its model with the best silo's."""
    report = evaluated(Evaluation(silos=silos, loss=loss, accuracy=accuracy), **tried)
    assert codes(report) == (set() if holds else {"passport.other_evaluation"})
