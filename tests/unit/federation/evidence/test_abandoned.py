"""Rounds that were abandoned, and orders of no round, in a log that a platform makes as it likes and signs again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from uuid import UUID

import pytest

from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry
from federation.evidence.report import Report
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from tests.support.decision_cases import NOW, order_of
from tests.support.evidence import ENVIRONMENT, Event, Played

ROUNDS = 2
PLAYED = Played(rounds=ROUNDS)
RESERVE = order_of(
    PLAYED.manifest,
    order_id=UUID(int=7),
    number=7000,
    silo_id=PLAYED.manifest.cohort[0].silo_id,
    manifest_digest=digest_bytes(PLAYED.sealed_manifest),
    round=0,
    kind="reserve",
)
RESERVED = documents.Submission(
    **RESERVE.model_dump(include={"order_id", "number", "kind", "silo_id", "job_id", "round", "attempt"}),
    manifest_digest=RESERVE.manifest_digest,
    environment=ENVIRONMENT,
    created_at=NOW,
)
OF_NO_ROUND = [
    Entry(f"order/{RESERVE.order_id}", documents.sign_document(RESERVE, PLAYED.platform)),
    Entry(f"answer/{RESERVE.order_id}", documents.sign_document(RESERVED, PLAYED.identities[0])),
]
DOCUMENTS = [*PLAYED.documents(ROUNDS), *OF_NO_ROUND]


def true_events() -> list[Event]:
    """A job with an order of no round, which was answered."""
    given, answered = (digest_bytes(entry.content) for entry in OF_NO_ROUND)
    name = str(RESERVE.order_id)
    began, *rest = [deepcopy(one) for one in PLAYED.events(PLAYED.documents(ROUNDS)) if one[0] != "job.launched"]
    apart: list[Event] = [
        ("order.issued", {"evidence": {"kind": "reserve", "orders": {name: given}}}),
        ("order.submitted", {"evidence": {"order": name, "answer": answered}}),
    ]
    return [began, *apart, *rest]


def place_of(events: Sequence[Event], verb: str, number: int) -> int:
    return next(
        at for at, (name, one) in enumerate(events) if name == verb and isinstance(one, dict) and one["round"] == number
    )


def reported(events: Sequence[Event]) -> Report:
    return verify_evidence(gather([*PLAYED.grounds(), *DOCUMENTS, *PLAYED.logged(events)]))


def abandoned(number: int, attempt: int = 1) -> Event:
    return "round.abandoned", {"round": number, "attempt": attempt, "code": "round.quorum_not_met"}


def tried_in_vain(events: Sequence[Event], number: int) -> Event:
    """An attempt before the first at a round, that asks nobody."""
    _, detail = events[place_of(events, "round.opened", number)]
    assert isinstance(detail, dict)
    return "round.opened", {"round": number, "attempt": 0, "evidence": detail["evidence"] | {"orders": {}}}


def inserted(events: list[Event], at: int, *more: Event) -> list[Event]:
    return [*events[:at], *more, *events[at:]]


def later_attempt(events: list[Event]) -> list[Event]:
    """As if the second round had been tried once in vain."""
    return inserted(events, place_of(events, "round.opened", 2), tried_in_vain(events, 2), abandoned(2, 0))


def test_a_round_that_was_abandoned_and_tried_again_is_no_fault() -> None:
    assert reported(true_events()).holds
    assert reported(later_attempt(true_events())).holds


def test_an_order_that_was_recalled_and_never_answered_is_no_fault() -> None:
    events = true_events()
    before = [one for one in events if one[0] != "order.submitted" or "round" in one[1]]
    documents_ = [entry for entry in DOCUMENTS if entry is not OF_NO_ROUND[1]]
    logged = PLAYED.logged(inserted(before, 2, recalled()))
    assert verify_evidence(gather([*PLAYED.grounds(), *documents_, *logged])).holds


def closed_all_the_same(events: list[Event]) -> list[Event]:
    return inserted(events, place_of(events, "round.closed", 1), abandoned(1))


def abandoned_when_closed(events: list[Event]) -> list[Event]:
    return inserted(events, place_of(events, "round.closed", 1) + 1, abandoned(1))


def another_attempt_abandoned(events: list[Event]) -> list[Event]:
    return inserted(events, place_of(events, "round.closed", 1), abandoned(1, 2))


def never_abandoned(events: list[Event]) -> list[Event]:
    return [one for one in later_attempt(events) if one[0] != "round.abandoned"]


def answered_when_abandoned(events: list[Event]) -> list[Event]:
    opened = place_of(events, "round.opened", 1)
    return inserted(events, opened + 1, abandoned(1))


def reservation_rejected_later(events: list[Event]) -> list[Event]:
    """The silo has set something aside, and the platform says at the job's end that it has not."""
    return inserted(events, len(events), ("update.rejected", {"order": str(RESERVE.order_id), "code": "update.nan"}))


def recalled(order: UUID = RESERVE.order_id) -> Event:
    """The silo may not work any more, or its organisation has left."""
    return "order.recalled", {"silo": "One", "code": "participation.ended", "evidence": {"order": str(order)}}


def answered_when_recalled(events: list[Event]) -> list[Event]:
    return inserted(events, 2, recalled())


def recalled_when_answered(events: list[Event]) -> list[Event]:
    return inserted(events, 3, recalled())


def recalled_without_being_given(events: list[Event]) -> list[Event]:
    return inserted(events, 3, recalled(UUID(int=8)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (answered_when_recalled, "history.out_of_order"),
        (recalled_when_answered, "history.out_of_order"),
        (recalled_without_being_given, "history.no_order"),
        (closed_all_the_same, "history.not_open"),
        (abandoned_when_closed, "history.not_open"),
        (another_attempt_abandoned, "history.not_open"),
        (never_abandoned, "history.round_open"),
        (answered_when_abandoned, "history.out_of_order"),
        (reservation_rejected_later, "history.out_of_order"),
    ],
)
def test_a_lie_about_what_was_abandoned_or_belongs_to_no_round_is_a_fault(
    change: Callable[[list[Event]], list[Event]], code: str
) -> None:
    assert code in {fault.code for fault in reported(change(true_events())).faults}
