"""What a job stands on: the platform's key, the agreement and the manifest, and whether they fit one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, violations
from federation.agreements.policy import Policy
from federation.agreements.rules import Violation
from federation.agreements.signing import SignedAgreement, open_agreement
from federation.errors import FederationError, Untrusted
from federation.evidence.bundle_parser import Evidence
from federation.evidence.report import Fault, Report, run_check
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CohortMember, Manifest, SiloCertificate, now, verify_document
from federation.protocol.documents.terms_1_0 import PROTOCOL as OLD_PROTOCOL
from federation.protocol.keys import PublicKey
from federation.protocol.successions import KeyChain

_ENOUGH_ROWS = 10**15
"""How many rows a silo has is its own to know: each has checked that by itself."""


@dataclass(frozen=True)
class RootDocuments:
    """The documents that everything else of a job is held against."""

    keys: KeyChain
    agreement: SignedAgreement
    manifest: Manifest
    manifest_digest: str
    cohort: dict[UUID, CohortMember]


def root_documents_of(evidence: Evidence, pinned: str | None, report: Report) -> RootDocuments | None:
    """Platform key, agreement and manifest: without them nothing else can be checked."""
    keys = run_check("platform-key", report, lambda: _keys(evidence, pinned))
    agreement = run_check("agreement", report, lambda: open_agreement(_there(evidence.agreement)))
    if keys is None or agreement is None:
        return None
    report.platform_key, report.agreement = keys.root.fingerprint, agreement.digest
    report.members = {
        member.organisation: PublicKey.from_encoded(member.signatory_key).fingerprint
        for member in agreement.agreement.terms.members
    }
    if not agreement.complete:
        message = f"Not signed by {', '.join(agreement.missing)}."
        report.faults.append(Fault("agreement", "agreement.unsigned", message))
    sealed = evidence.manifest
    manifest = run_check("manifest", report, lambda: verify_document(Manifest, _there(sealed), keys.keys))
    if manifest is None or sealed is None:
        return None
    report.manifest, report.job_id = digest_bytes(sealed), str(manifest.job_id)
    cohort = {member.silo_id: member for member in manifest.cohort}
    found = RootDocuments(keys, agreement, manifest, report.manifest, cohort)
    report.faults.extend(_manifest_under_agreement(found))
    report.checked |= {"signatures of the agreement": len(agreement.signed_by), "silos": len(cohort)}
    return found


def _keys(evidence: Evidence, pinned: str | None) -> KeyChain:
    root = PublicKey.from_encoded(evidence.platform_key)
    if pinned is not None and root.fingerprint != pinned:
        raise Untrusted("platform_key.other", f"The bundle is of a platform with the key {root.fingerprint}.")
    return KeyChain(root).verify_and_extend(evidence.successions, now=now())


def _manifest_under_agreement(found: RootDocuments) -> Iterator[Fault]:
    manifest, agreement = found.manifest, found.agreement
    needed = agreement.agreement.terms.code.reviewers  # whether so many approved, `approvals` finds by itself
    status = AgreementStatus(agreement.agreement, agreement.digest, agreement.signed_by, agreement.digest)
    for member in manifest.cohort:
        where = f"manifest, silo {member.silo}"
        place = SiloContext(
            member.signatory_key,
            member.dataset,
            SiloFacts(_ENOUGH_ROWS, code_reviewers=needed),
            Policy(custom_code="approved"),
        )
        statement = violations(status, manifest, None, place, manifest.created_at)
        refusal = next((one for one in statement if not _is_of_its_time(one, manifest)), None)
        if refusal is not None:
            yield Fault(where, refusal.code, refusal.meaning)
        fault = certificate_fault(member, manifest.created_at)
        if fault is not None:
            yield Fault(where, "cohort.uncertified", fault)


def _is_of_its_time(refusal: Violation, manifest: Manifest) -> bool:
    """Whether it is said of a job that began under protocol 1.0, when agreements of 1.0 still allowed something."""
    return refusal.code == "agreement.protocol" and manifest.protocol == OLD_PROTOCOL


def certificate_fault(member: CohortMember, moment: datetime) -> str | None:
    """What is wrong with the word of a cohort member's organisation for its silo's key; None if nothing is."""
    if member.certificate is None:
        return "Nobody certifies the silo's key."
    try:
        signatory = PublicKey.from_encoded(member.signatory_key)
        certified = verify_document(SiloCertificate, member.certificate.encode(), [signatory])
    except FederationError as error:
        return f"The certificate of the silo's key does not hold: {error.message}"
    if (certified.identity_key, certified.signatory_key) != (member.identity_key, member.signatory_key):
        return "The certificate is of another key."
    if not certified.not_before <= moment < certified.not_after:
        return "The certificate did not hold then."
    return None


def _there(content: bytes | None) -> bytes:
    if content is None:
        raise Untrusted("bundle.incomplete", "The bundle has none.")
    return content
