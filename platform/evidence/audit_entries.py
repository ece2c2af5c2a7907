"""What a bundle has of the audit log: the job's own events with their proofs, the signed head, and earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.models import EVIDENCE, Checkpoint, Countersignature, Event, Link, LostHead, SiloHead
from audit.trees import inclusion_proofs, proof_between
from federation.evidence import bundle_parser
from federation.evidence.bundles import Entry
from federation.protocol.chains import first_digest
from federation.protocol.documents import AuditCheckpoint, CohortMember, ConsistencyProof, KeptHead, Manifest, read
from federation.protocol.envelope import payload_unverified, signers
from federation.protocol.keys import PublicKey
from federation.protocol.tree_heads import TreeHead, why_not_after
from training.models import Job

EVENTS_AT_ONCE = 500


@dataclass
class EventsUnderHead:
    """What the job's events under a head name. Of a job that began before events named anything, all is taken."""

    names_documents: bool = False
    orders: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    passports: set[int] = field(default_factory=set)
    has_statistics: bool = False
    """Whether a round has ended with statistics that were released."""

    def has_order(self, order_id: UUID) -> bool:
        """Whether an event says that this order was given."""
        return not self.names_documents or str(order_id) in self.orders

    def has_answer(self, order_id: UUID) -> bool:
        """Whether an answer to this order was taken."""
        return not self.names_documents or str(order_id) in self.answers

    def has_passport(self, round_number: int) -> bool:
        """Whether the passport of the weights after this round was signed."""
        return not self.names_documents or round_number in self.passports


def events_under_head(job: Job, head: Checkpoint) -> EventsUnderHead:
    """What the job's events up to a head name."""
    found = EventsUnderHead()
    for record in _links(job, head).values_list("record", flat=True).iterator(chunk_size=EVENTS_AT_ONCE):
        body = json.loads(bytes(record))
        found.names_documents |= "job_number" in body
        _take(found, body["verb"], body["detail"])
    return found


def _take(found: EventsUnderHead, verb: str, detail: Mapping[str, Any]) -> None:
    match verb, detail.get(EVIDENCE):
        case "round.opened" | "step.opened" | "order.issued", {"orders": orders}:
            found.orders |= orders.keys()
        case "order.submitted" | "order.refused", {"order": order}:
            found.answers.add(order)
        case "round.closed", {"statistics": _}:
            found.has_statistics = True
        case "passport.issued", {"passport": _}:
            found.passports.add(detail["round"])


def log_entries(job: Job, head: Checkpoint) -> Iterator[Entry]:
    """The events, the head, the heads that silos have signed, and proofs that the log goes on from these."""
    yield from _events(job, head)
    yield Entry(bundle_parser.CHECKPOINT, bytes(head.document))
    cohort = read(Manifest, payload_unverified(bytes(job.manifest or b""))).cohort
    earlier: dict[TreeHead, None] = {}
    for silo_id, document in _countersigned(cohort, head):
        yield Entry(f"{bundle_parser.COUNTERSIGNED}{silo_id}", document)
        parsed = read(AuditCheckpoint, payload_unverified(document))
        earlier[TreeHead(parsed.position, parsed.digest, parsed.root)] = None
    kept = SiloHead.objects.filter(chain=head.chain, silo_id__in=[member.silo_id for member in cohort])
    for one in kept.filter(position__range=(1, head.position)).order_by("position", "silo_id"):
        if _proof(head, one.tree) is not None:  # what a silo only says that it keeps is no evidence against anybody
            earlier[one.tree] = None
    yield from _broken(cohort, head)
    for number, before in enumerate(earlier, start=1):
        proof = _proof(head, before) or ConsistencyProof(follows=KeptHead(**asdict(before)))
        yield Entry(f"{bundle_parser.CONSISTENCY}{number}", proof.model_dump_json().encode())


def _broken(cohort: tuple[CohortMember, ...], last: Checkpoint) -> Iterator[Entry]:
    """What silos of the cohort hold of a log that was lost, and their organisations' words: by the keys of this job."""
    keys = {key for member in cohort for key in (member.identity_key, member.signatory_key)}
    known = {PublicKey.from_encoded(key).key_id for key in keys}
    rows = LostHead.objects.filter(restored__chain=last.chain, silo_id__in=[member.silo_id for member in cohort])
    for row in rows.order_by("pk"):
        for name, document in ((f"{row.pk}", row.document), (f"{row.pk}-accepted", row.acceptance)):
            if document is not None and known & set(signers(bytes(document))):
                yield Entry(f"{bundle_parser.BROKEN}{name}", bytes(document))


def _proof(head: Checkpoint, before: TreeHead) -> ConsistencyProof | None:
    """That the log goes on from an earlier head, where it does."""
    parsed = read(AuditCheckpoint, payload_unverified(bytes(head.document)))
    hashes = proof_between(head.chain, before, head.position)
    if why_not_after(before, TreeHead(parsed.position, parsed.digest, parsed.root), hashes) is not None:
        return None
    return ConsistencyProof(follows=KeptHead(**asdict(before)), hashes=tuple(hashes or ()))


def _links(job: Job, head: Checkpoint) -> QuerySet[Link]:
    mine = Event.objects.filter(job_id=job.id).values("id")
    return Link.objects.filter(chain=head.chain, position__lte=head.position, event_id__in=mine).order_by("position")


def _events(job: Job, head: Checkpoint) -> Iterator[Entry]:
    positions = list(_links(job, head).values_list("position", flat=True))
    for start in range(0, len(positions), EVENTS_AT_ONCE):
        some = positions[start : start + EVENTS_AT_ONCE]
        rows = Link.objects.filter(chain=head.chain, position__in={*some, *(one - 1 for one in some)})
        links = {link.position: link for link in rows}
        proofs = inclusion_proofs(head.chain, some, head.position)
        lines = [
            bundle_parser.event_line(
                position,
                bytes(links[position - 1].digest) if position > 1 else first_digest(head.chain),
                proofs[position],
                bytes(links[position].record),
            )
            for position in some
        ]
        yield Entry(f"{bundle_parser.EVENTS}{some[0]}", b"".join(lines))


def _countersigned(cohort: tuple[CohortMember, ...], last: Checkpoint) -> Iterator[tuple[UUID, bytes]]:
    """The newest head that each silo of the cohort has signed, with the key that it had in this job."""
    keys = {member.silo_id: PublicKey.from_encoded(member.identity_key).key_id for member in cohort}
    rows = Countersignature.objects.filter(checkpoint__chain=last.chain, checkpoint__position__lte=last.position)
    for silo_id, key_id in keys.items():
        signed = rows.filter(silo_id=silo_id).order_by("-checkpoint__position").values_list("document", flat=True)
        document = next((one for one in signed.iterator(chunk_size=100) if key_id in signers(bytes(one))), None)
        if document is not None:
            yield silo_id, bytes(document)
