"""Checking a job's evidence offline: who signed what, under what, and whether it fits together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from federation.agreements.decisions import Place, Position, Standing, decide
from federation.agreements.policy import Policy
from federation.agreements.signing import SignedAgreement, open_agreement
from federation.errors import FederationError, Untrusted
from federation.evidence.reading import Evidence
from federation.protocol import envelope
from federation.protocol.chains import Break, chain_of, verify_chain
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    AuditCheckpoint,
    CohortMember,
    Manifest,
    Order,
    OrderKind,
    Refusal,
    SiloCertificate,
    Submission,
    open_sealed,
)
from federation.protocol.keys import PublicKey
from federation.protocol.successions import KeyChain

T = TypeVar("T")
_ENOUGH_ROWS = 10**15
"""How many rows a silo has is its own to know: each has judged that by itself."""


@dataclass(frozen=True)
class Fault:
    """Something that does not hold: where, a stable code, and what is wrong."""

    where: str
    code: str
    what: str


@dataclass
class Report:
    """What was found: faults, and how much was checked."""

    faults: list[Fault] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    platform_key: str = ""
    agreement: str = ""
    members: dict[str, str] = field(default_factory=dict)
    """The organisations that the agreement names, and the fingerprints of the keys with which they signed it."""
    manifest: str = ""
    job_id: str = ""
    models: dict[str, int] = field(default_factory=dict)
    """The round after which each model that was sent out stood, by its digest."""
    trained: dict[int, int] = field(default_factory=dict)
    """How many answers with an update hold, by round."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True)
class _Documents:
    keys: KeyChain
    agreement: SignedAgreement
    manifest: Manifest
    manifest_digest: str
    cohort: dict[UUID, CohortMember]


def verify_evidence(
    evidence: Evidence, pinned: str | None = None, kept: Mapping[str, tuple[int, str]] | None = None
) -> Report:
    """Check a bundle. `pinned` is the fingerprint of the platform's key as it is known from elsewhere.

    Never raises for what is in the bundle: every fault is in the report. Without `pinned` the bundle's own word is
    taken for the platform's key, and only for that. `kept` has, by chain, the position and digest of a head that was
    seen earlier: a history that has been rewritten since does not lead through it.
    """
    report = Report()
    found = _guarded("bundle", report, lambda: _trunk(evidence, pinned, report))
    if found is None:
        return report
    orders = dict(_orders(evidence, found, report))
    _answers(evidence, found, orders, report)
    _chain(evidence, found, report, kept or {})
    return report


def _trunk(evidence: Evidence, pinned: str | None, report: Report) -> _Documents | None:
    """Platform key, agreement and manifest: without them nothing else can be judged."""
    keys = _guarded("platform-key", report, lambda: _keys(evidence, pinned))
    agreement = _guarded("agreement", report, lambda: open_agreement(_there(evidence.agreement)))
    if keys is None or agreement is None:
        return None
    report.platform_key, report.agreement = keys.root.fingerprint, agreement.digest
    report.members = {
        member.organisation: PublicKey.from_encoded(member.signatory_key).fingerprint
        for member in agreement.agreement.terms.members
    }
    if not agreement.complete:
        told = f"Not signed by {', '.join(agreement.missing)}."
        report.faults.append(Fault("agreement", "agreement.unsigned", told))
    sealed = evidence.manifest
    manifest = _guarded("manifest", report, lambda: open_sealed(Manifest, _there(sealed), keys.keys))
    if manifest is None or sealed is None:
        return None
    report.manifest, report.job_id = digest_bytes(sealed), str(manifest.job_id)
    cohort = {member.silo_id: member for member in manifest.cohort}
    found = _Documents(keys, agreement, manifest, report.manifest, cohort)
    report.faults.extend(_manifest_under_agreement(found))
    report.checked |= {"signatures of the agreement": len(agreement.signed_by), "silos": len(cohort)}
    return found


def _keys(evidence: Evidence, pinned: str | None) -> KeyChain:
    root = PublicKey.from_encoded(evidence.platform_key)
    if pinned is not None and root.fingerprint != pinned:
        raise Untrusted("platform_key.other", f"The bundle is of a platform with the key {root.fingerprint}.")
    return KeyChain(root).extended(evidence.successions)


def _manifest_under_agreement(found: _Documents) -> Iterator[Fault]:
    manifest, agreement = found.manifest, found.agreement
    standing = Standing(agreement.agreement, agreement.digest, agreement.signed_by, agreement.digest)
    for member in manifest.cohort:
        where = f"manifest, silo {member.silo}"
        place = Place(
            member.signatory_key,
            member.dataset,
            Position(_ENOUGH_ROWS, code_reviewers=2),
            Policy(custom_code="approved"),
        )
        refusal = decide(standing, manifest, None, place, manifest.created_at)
        if refusal is not None:
            yield Fault(where, refusal.code, refusal.meaning)
        fault = certificate_fault(member, manifest.created_at)
        if fault is not None:
            yield Fault(where, "cohort.uncertified", fault)


def certificate_fault(member: CohortMember, moment: datetime) -> str | None:
    """What is wrong with the word of a cohort member's organisation for its silo's key; None if nothing is."""
    if member.certificate is None:
        return "Nobody certifies the silo's key."
    try:
        signatory = PublicKey.from_encoded(member.signatory_key)
        certified = open_sealed(SiloCertificate, member.certificate.encode(), [signatory])
    except FederationError as error:
        return f"The certificate of the silo's key does not hold: {error.message}"
    if (certified.identity_key, certified.signatory_key) != (member.identity_key, member.signatory_key):
        return "The certificate is of another key."
    if not certified.not_before <= moment < certified.not_after:
        return "The certificate did not hold then."
    return None


def _orders(evidence: Evidence, found: _Documents, report: Report) -> Iterator[tuple[str, Order]]:
    """The orders that hold, by their names."""
    numbers: set[tuple[UUID, int]] = set()
    for name, sealed in evidence.orders.items():
        where = f"order {name}"
        order = _guarded(where, report, partial(open_sealed, Order, sealed, found.keys.keys))
        if order is None:
            continue
        last = found.manifest.rounds + (order.kind is OrderKind.EVALUATE)
        for wrong, code, what in (
            (str(order.order_id) != name, "order.wrong_name", "It is the order of another name."),
            (order.manifest_digest != found.manifest_digest, "order.other_manifest", "It is under another manifest."),
            (order.job_id != found.manifest.job_id, "order.other_job", "It is of another job."),
            (order.silo_id not in found.cohort, "order.other_silo", "Its silo is not in the cohort."),
            (order.round > last, "order.round_beyond", f"The job has {found.manifest.rounds} rounds."),
            ((order.silo_id, order.number) in numbers, "order.number_reused", "Its number was used before."),
        ):
            if wrong:
                report.faults.append(Fault(where, code, what))
        numbers.add((order.silo_id, order.number))
        if order.model is not None:
            report.models[order.model.digest] = max(report.models.get(order.model.digest, 0), order.round - 1)
        yield name, order
    report.checked["orders"] = len(evidence.orders)


def _answers(evidence: Evidence, found: _Documents, orders: dict[str, Order], report: Report) -> None:
    for name, sealed in evidence.answers.items():
        where = f"answer to order {name}"
        order = orders.get(name)
        if order is None or order.silo_id not in found.cohort:
            report.faults.append(Fault(where, "answer.no_order", "There is no such order that holds."))
            continue
        said = _guarded(where, report, partial(_answer, sealed, found.cohort[order.silo_id].identity_key))
        if said is None:
            continue
        mine = (order.order_id, order.number, order.silo_id, order.job_id)
        if (said.order_id, said.number, said.silo_id, said.job_id) != mine:
            report.faults.append(Fault(where, "answer.other_order", "It answers another order."))
        if isinstance(said, Submission):
            faults = list(_fits(said, order, found, where))
            report.faults.extend(faults)
            if said.payload is not None and not faults:
                report.trained[said.round] = report.trained.get(said.round, 0) + 1
    report.checked["answers"] = len(evidence.answers)


def _fits(said: Submission, order: Order, found: _Documents, where: str) -> Iterator[Fault]:
    if said.manifest_digest != found.manifest_digest:
        yield Fault(where, "answer.other_manifest", "It is under another manifest.")
    if (said.round, said.attempt, said.kind) != (order.round, order.attempt, order.kind):
        yield Fault(where, "answer.other_round", "It is of another round.")
    if order.model is not None and said.model_digest != order.model.digest:
        yield Fault(where, "answer.other_model", "It is about another model.")


def _answer(sealed: bytes, identity_key: str) -> Submission | Refusal:
    key = PublicKey.from_encoded(identity_key)
    if envelope.payload_type_of(sealed) == Refusal.payload_type:
        return open_sealed(Refusal, sealed, [key])
    return open_sealed(Submission, sealed, [key])


def _chain(evidence: Evidence, found: _Documents, report: Report, kept: Mapping[str, tuple[int, str]]) -> None:
    if evidence.checkpoint is None:
        report.faults.append(Fault("audit", "checkpoint.missing", "The platform has signed no head of the chain."))
        return
    sealed = evidence.checkpoint
    said = _guarded("checkpoint", report, lambda: open_sealed(AuditCheckpoint, sealed, found.keys.keys))
    if said is None:
        return
    if said.chain != chain_of(found.manifest.consortium_id):
        told = f"The head that is signed is of the chain {said.chain}, the job's is another."
        report.faults.append(Fault("checkpoint", "checkpoint.other_chain", told))
        return
    upto = [link for link in evidence.links if link[0] <= said.position]
    outcome = verify_chain(said.chain, upto, bytes.fromhex(said.digest))
    if isinstance(outcome, Break):
        report.faults.append(Fault("audit", outcome.code, outcome.what))
    elif outcome != said.position:
        report.faults.append(Fault("audit", "chain.gap", f"{outcome} records are there, {said.position} are signed."))
    position, digest = kept.get(said.chain, (0, ""))
    if 0 < position <= said.position and {at: link for at, _, link in upto}.get(position, b"").hex() != digest:
        told = f"It does not lead through the head that was kept at event {position}: history was rewritten."
        report.faults.append(Fault("audit", "checkpoint.rewritten", told))
    if len(upto) != len(evidence.links):
        report.faults.append(Fault("audit", "chain.unsigned", "There are records after the head that is signed."))
    report.checked["audit records"] = len(evidence.links)


def _there(content: bytes | None) -> bytes:
    if content is None:
        raise Untrusted("bundle.incomplete", "The bundle has none.")
    return content


def _guarded(where: str, report: Report, work: Callable[[], T]) -> T | None:
    try:
        return work()
    except FederationError as error:
        report.faults.append(Fault(where, error.code, error.message))
        return None
