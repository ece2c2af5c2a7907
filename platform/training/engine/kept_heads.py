"""Which heads of the audit log the silos keep, as they have reported last, and the proofs that lead on from these."""

from __future__ import annotations

from django.utils import timezone

from audit.models import SiloHead
from federation.protocol.chains import first_digest
from federation.protocol.tree_heads import TreeHead
from silos.models import Silo


def record_kept_head(*, chain: str, head: TreeHead, by: Silo, is_its_word: bool = False) -> None:
    """Remember which head a silo keeps. A countersigned one that comes late does not take back a later one.

    What a silo reports by itself (`is_its_word`, in a refusal) counts as it is, also where it is an earlier one.
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
