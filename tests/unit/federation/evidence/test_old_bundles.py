"""Bundles of protocol 1.0, with the consortium's whole chain: checked by their old rules."""

from __future__ import annotations

from dataclasses import replace

from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry
from federation.evidence.verification import verify_evidence
from federation.protocol.chains import chain_of
from federation.protocol.tree_heads import TreeHead
from tests.support.evidence import Played

PLAYED = Played(rounds=3)
CHAIN = chain_of(PLAYED.manifest.consortium_id)
OLD = PLAYED.grounds()
OLD_LOG = list(PLAYED.audit(20))


def of_protocol_1_0(entries: list[Entry]) -> set[tuple[str, str]]:
    """What is wrong with a bundle of protocol 1.0 that has this for its log, but that its documents are newer."""
    faults = verify_evidence(gather([*OLD, *entries])).faults
    return {(fault.where, fault.code) for fault in faults if fault.code != "evidence.downgraded"}


def test_the_chain_of_a_bundle_of_protocol_1_0_is_checked_as_it_was() -> None:
    """Whole, up to the head that is signed, and over those that are kept or countersigned."""
    record, head, *countersigned_ = OLD_LOG
    assert of_protocol_1_0(OLD_LOG) == set()
    cut = replace(record, content=b"".join(record.content.splitlines(keepends=True)[:-1]))
    assert of_protocol_1_0([cut, head]) == {("audit", "chain.head")}
    longer = next(PLAYED.audit(22))
    assert of_protocol_1_0([longer, head, *countersigned_]) == {("audit", "chain.unsigned")}
    evidence = gather([*OLD, *OLD_LOG])
    digests = {position: digest.hex() for position, _, digest in evidence.links}

    def with_kept(*kept: tuple[int, str]) -> set[str]:
        heads = {TreeHead(position, digest) for position, digest in kept}
        return {fault.code for fault in verify_evidence(evidence, kept={CHAIN: heads}).faults} - {"evidence.downgraded"}

    assert with_kept((7, digests[7]), (9, digests[9])) == set()
    assert with_kept((900, "f" * 64)) == set(), "an older bundle says nothing of later"
    for others in ((), ((9, digests[9]),), ((900, "f" * 64),)):  # one of several is enough
        assert with_kept((7, "f" * 64), *others) == {"checkpoint.rewritten"}
