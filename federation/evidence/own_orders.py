"""What a silo that verifies knows by itself: the orders of the job that it was given, and what it answered to them.

Two histories of one job may lie in one log, each whole for itself: a platform shows one to those who verify, and gave
the orders of the other to a silo. Nothing in a bundle shows it. A silo whose own journal has the orders finds it out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from federation.evidence.bundle_parser import Evidence
from federation.evidence.matching import Opened
from federation.evidence.report import Fault, Report
from federation.evidence.round_events import History
from federation.protocol.digests import digest_bytes


@dataclass(frozen=True)
class OwnOrder:
    """An order as the journal of who verifies has it."""

    order_id: str
    issued_at: datetime | None = None
    """None where the journal does not say."""
    digest: str | None = None
    """Of the sealed order; None where the journal does not say."""
    answers: frozenset[str] = frozenset()
    """The digests of all that was sent as an answer to it."""


def check_own(
    own: Collection[OwnOrder],
    evidence: Evidence,
    opened: Opened,
    history: History,
    report: Report,
    *,
    was_log_given_up: bool,
) -> None:
    """Find orders that who asks was given and the bundle lacks, and documents that are others than were seen or sent.

    An order that is newer than all in the bundle of a job that goes on is in a later bundle. Where the organisation of
    who asks has accepted another log after a restore, orders that were lost with the old one are no fault: they are
    reported as a limit.
    """
    if own:
        report.checked["orders in the own journal"] = len(own)
    newest = max((order.issued_at for order in opened.orders.values()), default=None)
    reported = history.answers
    for one in own:
        if one.order_id not in evidence.orders:
            is_later = not history.ended and (one.issued_at is None or newest is None or one.issued_at > newest)
            if not is_later:
                words = "This silo was given the order, by its own journal, and it is not in the bundle."
                found = report.limits if was_log_given_up else report.faults
                found.append(Fault(f"order {one.order_id}", "order.left_out", words))
            continue
        report.faults.extend(_other_documents(one, evidence, reported))


def _other_documents(one: OwnOrder, evidence: Evidence, reported: Mapping[str, str]) -> Iterator[Fault]:
    if one.digest not in {None, digest_bytes(evidence.orders[one.order_id])}:
        words = "This silo was given another order under this id, by its own journal."
        yield Fault(f"order {one.order_id}", "order.other_document", words)
    sealed = evidence.answers.get(one.order_id)
    digests = {reported.get(one.order_id), None if sealed is None else digest_bytes(sealed)} - {None}
    if one.answers and not digests <= one.answers:
        words = "This silo has sent another answer, by its own journal."
        yield Fault(f"answer {one.order_id}", "answer.other_document", words)
