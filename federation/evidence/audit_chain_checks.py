"""The consortium's whole chain, as bundles of protocol 1.0 have it: up to a head that platform and silos signed.

Bundles since 1.1 have the job's own events instead (``events``, ``heads``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from federation.errors import Invalid
from federation.evidence.bundle_parser import Evidence
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments
from federation.protocol.chains import Break, chain_of, verify_chain
from federation.protocol.documents import AuditCheckpoint, verify_document
from federation.protocol.keys import PublicKey
from federation.protocol.tree_heads import TreeHead


def check_record(
    evidence: Evidence, found: RootDocuments, report: Report, kept: Mapping[str, Collection[TreeHead]]
) -> None:
    """Find where the chain does not hold, ends elsewhere than signed, or misses a head that somebody has kept.

    `kept` has, by chain, each head that was seen earlier. The silos' own signatures on heads are
    in the bundle, as far as the platform has put them there: what one of them has signed must lie on this chain.
    """
    if evidence.checkpoint is None:
        report.faults.append(Fault("audit", "checkpoint.missing", "The platform has signed no head of the chain."))
        return
    sealed, chain = evidence.checkpoint, chain_of(found.manifest.consortium_id)
    document = run_check("checkpoint", report, lambda: verify_document(AuditCheckpoint, sealed, found.keys.keys))
    if document is None:
        return
    if document.chain != chain:
        message = f"The head that is signed is of the chain {document.chain}, the job's is another."
        report.faults.append(Fault("checkpoint", "checkpoint.other_chain", message))
        return
    upto = [link for link in evidence.links if link[0] <= document.position]
    outcome = verify_chain(document.chain, upto, bytes.fromhex(document.digest))
    if isinstance(outcome, Break):
        report.faults.append(Fault("audit", outcome.code, outcome.what))
    elif outcome != document.position:
        report.faults.append(
            Fault("audit", "chain.gap", f"{outcome} records are there, {document.position} are signed.")
        )
    digests = {position: digest.hex() for position, _, digest in upto}
    seen = sorted(
        (head.position, head.digest) for head in kept.get(document.chain, ()) if head.position <= document.position
    )
    missed = next((position for position, digest in seen if digests.get(position) != digest), None)
    if missed is not None:
        message = f"It does not lead through the head that was kept at event {missed}: history was rewritten."
        report.faults.append(Fault("audit", "checkpoint.rewritten", message))
    if len(upto) != len(evidence.links):
        report.faults.append(Fault("audit", "chain.unsigned", "There are records after the head that is signed."))
    report.checked["audit records"] = len(evidence.links)
    _countersigned(evidence, found, report, chain, digests)


def _countersigned(
    evidence: Evidence, found: RootDocuments, report: Report, chain: str, digests: Mapping[int, str]
) -> None:
    """What silos of the cohort have signed of this record themselves."""
    keys = {str(member.silo_id): member.identity_key for member in found.manifest.cohort}
    for name, sealed in evidence.countersigned.items():
        where = f"head that silo {name} has signed"
        statement = run_check(where, report, partial(_by_silo, sealed, keys.get(name)))
        if statement is None:
            continue
        if statement.chain != chain:
            report.faults.append(Fault(where, "checkpoint.other_chain", f"It is of the chain {statement.chain}."))
        elif digests.get(statement.position) != statement.digest:
            message = f"The record here is not the one that this silo has countersigned at event {statement.position}."
            report.faults.append(Fault(where, "checkpoint.rewritten", message))
    report.checked["silos that countersigned the record"] = len(evidence.countersigned)


def _by_silo(sealed: bytes, key: str | None) -> AuditCheckpoint:
    if key is None:
        raise Invalid("order.other_silo", "This silo is not in the cohort.")
    return verify_document(AuditCheckpoint, sealed, [PublicKey.from_encoded(key)])
