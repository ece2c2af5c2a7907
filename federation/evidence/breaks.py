"""Where the audit log broke: a platform was restored from a backup, and silos hold heads of what was lost."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from federation.errors import Invalid
from federation.evidence.bundle_parser import Evidence
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments
from federation.protocol import envelope
from federation.protocol.chains import chain_of
from federation.protocol.documents import LogAcceptance, SiloState, verify_document
from federation.protocol.keys import PublicKey
from federation.protocol.tree_heads import TreeHead

LOG_RESTORED = "evidence.log_restored"


def check_unbroken(
    evidence: Evidence, found: RootDocuments, first_event: int, given_up: Collection[TreeHead], report: Report
) -> None:
    """Say so where silos hold another history of the places at which the job's events lie.

    The statements are the silos' own, signed. Up to the furthest head that any of them reports there were two logs:
    job that began at or before it nothing shows that this is the one which the silos countersigned. A job that began
    later is not touched. Statements that are left out can't be missed here, but by a silo that verifies with its own
    journal (`given_up`).
    """
    heads: set[TreeHead] = set(given_up)
    for name, sealed in evidence.broken.items():
        reported = run_check(f"statement {name} about the log", report, partial(_heads, sealed, found))
        heads.update(reported or ())
    if not heads:
        return
    report.checked["heads of a log that was lost"] = len(heads)
    furthest = max(head.position for head in heads)
    if first_event <= furthest:
        words = (
            f"The platform's log was restored from a backup: silos hold heads up to event {furthest} of one that this "
            "log does not lead through. What the log says of the job may be another thing than it said before."
        )
        report.limits.append(Fault("audit", LOG_RESTORED, words))


def _heads(sealed: bytes, found: RootDocuments) -> list[TreeHead]:
    chain = chain_of(found.manifest.consortium_id)
    keys = {member.identity_key for member in found.manifest.cohort}
    organisations = {member.signatory_key for member in found.manifest.cohort}
    if envelope.payload_type_of(sealed) == LogAcceptance.payload_type:
        word = verify_document(LogAcceptance, sealed, [PublicKey.from_encoded(key) for key in organisations])
        if word.identity_key not in keys or word.chain != chain:
            raise Invalid("log_acceptance.other_silo", "It is of a silo outside the cohort, or of another chain.")
        return [TreeHead(word.kept.position, word.kept.digest, word.kept.root)]
    document = verify_document(SiloState, sealed, [PublicKey.from_encoded(key) for key in keys])
    return [TreeHead(one.position, one.digest, one.root) for one in document.heads if one.chain == chain]
