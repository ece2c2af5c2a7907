"""Signed heads of the audit log, given to the silos to countersign: the orders, and which silos contradict.

Each order brings the proof that its head follows from the one that the silo keeps, as it has reported last. Who keeps a
head refuses another history of it: so no operator can rewrite the log unseen, also not if it grows again meanwhile.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from audit.models import Checkpoint, Countersignature, Head, LostHead, SiloHead
from audit.trees import proof_between
from consortia.transitions import ParticipationState
from federation.protocol import documents
from federation.protocol.chains import chain_of
from federation.protocol.documents import ConsistencyProof, KeptHead
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import TreeHead
from realtime import notices
from silos.models import Silo
from training.engine.kinds.audit_checkpoint import CONTRADICTIONS, STATEMENT_KIND
from training.engine.sql.orders import next_order_numbers
from training.models import Order
from training.transitions import OUTSTANDING, OrderState

TERM = timedelta(days=1)
"""How long an order holds: a trainer may be at work on another for hours, and does one after the other."""
REFUSED_PAUSE = timedelta(hours=1)
"""Who has refused a chain is asked again after this time: what is wrong with it does not pass by itself."""
OTHER_HEAD = "checkpoint.other_head"
"""With this it says only that the proof began elsewhere than at what it keeps: it is asked again at once."""
ASKED_AT_ONCE = frozenset({OTHER_HEAD, "order.number_reused"})
"""After these the next order has another proof, or a number above what the silo knows."""
KEPT_FOR = timedelta(days=31)
"""For so long an answer may be repeated."""
_LOCK = 0x434E_4348  # of the one who issues these orders


def issue_orders(key: PrivateKey) -> int:
    """Order every silo that is there to countersign the newest head of each of its chains: how many orders.

    A silo has one open order a chain; what moves meanwhile is in the next.
    """
    silos = _silos_by_chain()
    rooted = Checkpoint.objects.filter(chain=OuterRef("chain")).exclude(root=None)
    newest = rooted.order_by("-position").values("pk")[:1]
    heads = Head.objects.filter(chain__in=silos).annotate(newest=Subquery(newest)).exclude(newest=None)
    checkpoints = Checkpoint.objects.filter(pk__in=list(heads.values_list("newest", flat=True))).order_by("chain")
    return sum(_issue(checkpoint, silos[checkpoint.chain], key) for checkpoint in checkpoints)


def _silos_by_chain() -> dict[str, set[UUID]]:
    """The silos that can be asked now, by the chain of each consortium that their organisation takes part in."""
    found: dict[str, set[UUID]] = defaultdict(set)
    rows = Silo.objects.filter(
        state=Silo.State.ACTIVE,
        silent_since=None,
        organisation__participations__state=ParticipationState.ACTIVE,
    ).values_list("id", "organisation__participations__consortium_id")
    for silo_id, consortium_id in rows:
        found[chain_of(consortium_id)].add(silo_id)
    return found


@transaction.atomic
def _issue(checkpoint: Checkpoint, silo_ids: set[UUID], key: PrivateKey) -> int:
    with connection.cursor() as cursor:  # of two open orders the older would look like a record that goes back
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT date_trunc('milliseconds', statement_timestamp())")
        (now,) = cursor.fetchone()
    of_silos = Order.objects.filter(silo__in=silo_ids, kind=STATEMENT_KIND.kind)
    of_silos.filter(expires_at__lt=now).move(OrderState.EXPIRED, ended_at=now)
    wanting = sorted(silo_ids - _not_to_ask(checkpoint, silo_ids, now))
    numbers = next_order_numbers(wanting) if wanting else {}
    proofs = proofs_for(checkpoint, wanting)
    Order.objects.bulk_create(
        [_order(checkpoint, silo_id, number, now, proofs.get(silo_id), key) for silo_id, number in numbers.items()]
    )
    notices.notify(notices.ORDERS, wanting)
    return len(wanting)


def _not_to_ask(checkpoint: Checkpoint, silo_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Those of the silos that have an open order of this chain, have signed this head, or refused a short while ago.

    Who has accepted the log since, after it broke, is asked again."""
    accepted = LostHead.objects.filter(
        restored__chain=checkpoint.chain, silo_id=OuterRef("silo_id"), accepted_at__gt=OuterRef("answered_at")
    )
    asked = Order.objects.filter(silo__in=silo_ids, audit_checkpoint__chain=checkpoint.chain).filter(
        Q(state__in=OUTSTANDING, expires_at__gt=now)
        | Q(state=OrderState.REFUSED, answered_at__gt=now - REFUSED_PAUSE)
        & ~Q(code__in=ASKED_AT_ONCE)
        & ~Exists(accepted)
    )
    signed = Countersignature.objects.filter(checkpoint=checkpoint, silo_id__in=silo_ids)
    return {*asked.values_list("silo_id", flat=True), *signed.values_list("silo_id", flat=True)}


def _order(
    checkpoint: Checkpoint,
    silo_id: UUID,
    number: int,
    now: datetime,
    proof: documents.ConsistencyProof | None,
    key: PrivateKey,
) -> Order:
    document = documents.CheckpointOrder(
        order_id=uuid4(),
        number=number,
        silo_id=silo_id,
        checkpoint=json.loads(bytes(checkpoint.document)),
        proof=proof,
        issued_at=now,
        expires_at=now + TERM,
    )
    return Order(
        id=document.order_id,
        kind=STATEMENT_KIND.kind,
        silo_id=silo_id,
        audit_checkpoint=checkpoint,
        number=number,
        envelope=documents.sign_document(document, key),
        issued_at=now,
        expires_at=document.expires_at,
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


def delete_old_countersignatures() -> None:
    """Delete orders that nobody answers any more, and signatures that a later one of the same silo stands for.

    Refusals stay, and each silo's last signature: they are evidence. What a silo has signed before is in its journal.
    """
    before = timezone.now() - KEPT_FOR
    Order.objects.filter(kind=STATEMENT_KIND.kind, issued_at__lt=before, code="").delete()
    later = Countersignature.objects.filter(
        silo_id=OuterRef("silo_id"),
        checkpoint__chain=OuterRef("checkpoint__chain"),
        checkpoint__position__gt=OuterRef("checkpoint__position"),
    )
    Countersignature.objects.filter(Exists(later), at__lt=before).delete()


@dataclass(frozen=True)
class Contradicted:
    """A silo that keeps another history of a chain than the platform shows it, as far as it has said."""

    chain: str
    silo: str
    code: str
    at: datetime


def contradicted(chains: Collection[str]) -> list[Contradicted]:
    """The silos that have said so of one of these chains, and have signed none of its heads since."""
    signed = Countersignature.objects.filter(
        silo_id=OuterRef("silo_id"),
        checkpoint__chain=OuterRef("audit_checkpoint__chain"),
        at__gt=OuterRef("answered_at"),
    )
    refused = (
        Order.objects.filter(~Exists(signed), audit_checkpoint__chain__in=chains, code__in=CONTRADICTIONS)
        .order_by("audit_checkpoint__chain", "silo_id", "answered_at")
        .distinct("audit_checkpoint__chain", "silo_id")
        .values_list("audit_checkpoint__chain", "silo__name", "code", "answered_at")
    )
    return [Contradicted(chain, silo, code, at) for chain, silo, code, at in refused if at is not None]
