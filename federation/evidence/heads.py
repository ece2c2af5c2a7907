"""The heads of the audit log that are signed: by the platform for this bundle, and by silos before it.

Each earlier head is proven to lie on the log whose head is in the bundle. Here a verifier meets a log that was
rewritten or set back: ``federation.protocol.tree_heads`` says what does not follow from what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from pydantic import ValidationError

from federation.errors import Invalid, Untrusted
from federation.evidence.bundle_parser import Evidence
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments
from federation.protocol.chains import chain_of
from federation.protocol.documents import AuditCheckpoint, ConsistencyProof, verify_document
from federation.protocol.keys import PublicKey
from federation.protocol.tree_heads import FORKED, UNPROVEN, TreeHead, why_not_after


@dataclass
class Heads:
    """What is known of the log: the head for this bundle, earlier ones that it goes on from, and who signed which."""

    last: TreeHead
    proven: set[TreeHead] = field(default_factory=set)
    by_silo: dict[str, int] = field(default_factory=dict)
    """How far each silo of the cohort has countersigned the tree, by its id.

    A head without a root, of protocol 1.0, vouches for its own link alone: what a tree has before it may be anything.
    """


def check_heads(evidence: Evidence, found: RootDocuments, report: Report) -> Heads | None:
    """The heads that hold. None where the platform has signed none for this bundle: nothing is in a log then."""
    chain = chain_of(found.manifest.consortium_id)
    sealed = evidence.checkpoint
    if sealed is None:
        report.faults.append(Fault("audit", "checkpoint.missing", "The platform has signed no head of the log."))
        return None
    last = run_check("checkpoint", report, lambda: _opened(sealed, chain, found.keys.keys))
    if last is None:
        return None
    if last.root is None:
        report.faults.append(Fault("checkpoint", UNPROVEN, "The head has no root: no event can be proven under it."))
        return None
    heads = Heads(last, {last})
    for name, content in evidence.consistency.items():
        where = f"consistency {name}"
        proof = run_check(where, report, partial(_proof, content))
        if proof is None:
            continue
        before = TreeHead(**proof.follows.model_dump())
        code = why_not_after(before, last, proof.hashes)
        if code is None:
            heads.proven.add(before)
        else:
            message = f"The log here does not go on from the one that had {before.position} events."
            report.faults.append(Fault(where, code, message))
    _countersigned(evidence, found, heads, chain, report)
    return heads


def _countersigned(evidence: Evidence, found: RootDocuments, heads: Heads, chain: str, report: Report) -> None:
    keys = {str(member.silo_id): member.identity_key for member in found.manifest.cohort}
    for name, sealed in evidence.countersigned.items():
        where = f"head that silo {name} has signed"
        head = run_check(where, report, partial(_by_silo, sealed, chain, keys.get(name)))
        if head is None:
            continue
        if head in heads.proven:
            if head.root is not None:
                heads.by_silo[name] = head.position
        else:
            message = (
                f"The log here is not shown to be the one that this silo has countersigned at event {head.position}."
            )
            report.faults.append(Fault(where, "checkpoint.rewritten", message))
    report.checked["silos that countersigned the record"] = len(evidence.countersigned)


def check_covered(heads: Heads, found: RootDocuments, last_event: int, report: Report) -> None:
    """Say so where too few silos have countersigned the log since the job's last event.

    As many as the job's quorum are wanted: a platform that makes everything else up needs that many silos for it.
    """
    enough = sum(1 for position in heads.by_silo.values() if position >= last_event)
    if enough < found.manifest.quorum:
        message = (
            f"{enough} silos have countersigned the log since the job's last event, the quorum is "
            f"{found.manifest.quorum}. Until then it is the platform's word alone: download the bundle again in some "
            "minutes."
        )
        report.limits.append(Fault("audit", "evidence.not_countersigned", message))


def check_trusted_heads(
    heads: Heads, links: Iterable[tuple[int, str]], kept: Mapping[str, Collection[TreeHead]], chain: str, report: Report
) -> None:
    """Find a head that is kept by who asks and does not lie on this log; the newest one must be shown to.

    Each head was proven from the one before it when it was countersigned; those of protocol 1.0 were not, and are held
    against what the bundle shows of their place.
    """
    seen = sorted((head for head in kept.get(chain, ()) if head.position <= heads.last.position), key=_position)
    if not seen:
        return
    known: dict[int, list[TreeHead]] = defaultdict(list)
    for one in (*heads.proven, *(TreeHead(position, digest) for position, digest in links)):
        known[one.position].append(one)
    for head in seen:
        if any(_differ(head, one) for one in known.get(head.position, ())):
            message = f"It is not the log of which a head was kept at event {head.position}: history was rewritten."
            report.faults.append(Fault("audit", "checkpoint.rewritten", message))
            return
    newest = seen[-1]
    if not any(
        one.position == newest.position and (newest.root is None or one.root is not None) for one in heads.proven
    ):
        message = (
            f"Nothing shows that this log goes on from the head that was kept at event {newest.position}. Download the "
            "bundle again; if it stays so, the log was rewritten."
        )
        report.faults.append(Fault("audit", UNPROVEN, message))


def _differ(one: TreeHead, other: TreeHead) -> bool:
    return one.digest != other.digest or (one.root != other.root and None not in (one.root, other.root))


def _position(head: TreeHead) -> int:
    return head.position


def _opened(sealed: bytes, chain: str, keys: Iterable[PublicKey]) -> TreeHead:
    document = verify_document(AuditCheckpoint, sealed, keys)
    if document.chain != chain:
        raise Invalid("checkpoint.other_chain", f"It is of the chain {document.chain}, the job's is another.")
    return TreeHead(document.position, document.digest, document.root)


def _by_silo(sealed: bytes, chain: str, key: str | None) -> TreeHead:
    if key is None:
        raise Invalid("order.other_silo", "This silo is not in the cohort.")
    return _opened(sealed, chain, [PublicKey.from_encoded(key)])


def _proof(content: bytes) -> ConsistencyProof:
    try:
        return ConsistencyProof.model_validate_json(content)
    except ValidationError as error:
        raise Untrusted(FORKED, "It is no proof that one head follows from another.") from error
