"""Which heads of the audit log the silos keep, as they have said last, and the proofs that lead on from these."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from uuid import UUID

from django.utils import timezone

from audit.models import Checkpoint, SiloHead
from audit.trees import proof_between
from federation.protocol.chains import first_digest
from federation.protocol.documents import ConsistencyProof, KeptHead
from federation.protocol.tree_heads import TreeHead
from silos.models import Silo


def note_kept(*, chain: str, head: TreeHead, by: Silo, is_its_word: bool = False) -> None:
    """Remember which head a silo keeps. A countersigned one that comes late does not take back a later one.

    What a silo tells by itself (`is_its_word`, in a refusal) counts as it is, also where it is an earlier one.
    """
    now = timezone.now()
    SiloHead.objects.get_or_create(
        chain=chain, silo_id=by.id, defaults={"position": 0, "digest": first_digest(chain), "at": now}
    )
    known = SiloHead.objects.filter(chain=chain, silo_id=by.id)
    (known if is_its_word else known.filter(position__lte=head.position)).update(
        position=head.position,
        digest=bytes.fromhex(head.digest),
        root=None if head.root is None else bytes.fromhex(head.root),
        at=now,
    )


def proofs_for(checkpoint: Checkpoint, silo_ids: Collection[UUID]) -> dict[UUID, ConsistencyProof]:
    """For each silo that keeps a head of this chain, the proof that a signed one follows from it.

    What is proven is the silo's own word: where this log differs from it, the proof does not hold there. None is made
    where this log has no such head at all, being shorter.
    """
    kept = {one.silo_id: one.tree for one in SiloHead.objects.filter(chain=checkpoint.chain, silo_id__in=silo_ids)}
    proofs = {head: _proof(checkpoint, head) for head in set(kept.values())}
    return {silo_id: proof for silo_id, head in kept.items() if (proof := proofs[head]) is not None}


def _proof(checkpoint: Checkpoint, kept: TreeHead) -> ConsistencyProof | None:
    hashes = proof_between(checkpoint.chain, kept, checkpoint.position)
    if hashes is None:
        return None
    return ConsistencyProof(follows=KeptHead(**asdict(kept)), hashes=tuple(hashes))
