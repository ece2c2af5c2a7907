"""Bundles in which a document is of protocol 1.0 and the manifest of 1.1: each holds, and the whole does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from federation.evidence import bundle_parser
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle, write_bundle
from federation.evidence.report import Report, Verdict
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from tests.support.evidence import Played
from tests.support.of_1_0 import sealed_as_1_0

ROUNDS = 2
PLAYED = Played(rounds=ROUNDS)


def outdated(entry: Entry) -> Entry:
    """An order or an answer as 1.0 would have had it, signed with the same key."""
    kind, _, order_id = entry.name.partition("/")
    if f"{kind}/" == bundle_parser.ORDER:
        order = documents.read(documents.Order, payload_unverified(entry.content))
        return replace(entry, content=sealed_as_1_0(order, PLAYED.platform))
    document = documents.read(documents.Submission, payload_unverified(entry.content))
    return replace(entry, content=sealed_as_1_0(document, PLAYED.identities[UUID(order_id).int & 0xFF]))


def verified(exchanged: Sequence[Entry]) -> Report:
    """What comes of them; log and passports were made to fit."""
    entries = [*exchanged, *PLAYED.passports(ROUNDS, exchanged)]
    bundle = [*PLAYED.grounds(), *entries, *PLAYED.logged(PLAYED.events(entries))]
    return verify_evidence(gather(read_bundle(list(write_bundle(bundle)))))


def test_a_bundle_of_today_alone_holds() -> None:
    assert verified(list(PLAYED.exchanges(ROUNDS + 1))).verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("kind", "code"), [(bundle_parser.ORDER, "order.outdated"), (bundle_parser.ANSWER, "answer.outdated")]
)
def test_a_document_of_1_0_under_a_manifest_of_1_1_is_a_fault(kind: str, code: str) -> None:
    exchanged = list(PLAYED.exchanges(ROUNDS + 1))
    place = next(place for place, entry in enumerate(exchanged) if entry.name.startswith(kind))
    exchanged[place] = outdated(exchanged[place])
    report = verified(exchanged)
    assert [fault.code for fault in report.faults] == [code]
    assert report.verdict is Verdict.FAILS
