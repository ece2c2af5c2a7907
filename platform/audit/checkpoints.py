"""The heads of the chains, signed by the platform. Only a worker holds the key for it."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from audit.models import Checkpoint, Head
from federation.protocol import documents
from federation.protocol.keys import PrivateKey


def sign_heads(key: PrivateKey) -> int:
    """Sign the head of every chain that has moved since its last checkpoint: how many."""
    rooted = Checkpoint.objects.filter(chain=OuterRef("chain")).exclude(root=None)
    signed = rooted.order_by("-position").values("position")[:1]
    moved = Head.objects.annotate(signed=Coalesce(Subquery(signed), 0)).filter(position__gt=F("signed"))
    count = 0
    for head in list(moved):
        moment = documents.now()
        tree = head.tree
        document = documents.AuditCheckpoint(chain=head.chain, made_at=moment, **asdict(tree))
        with transaction.atomic():
            _, new = Checkpoint.objects.get_or_create(
                chain=head.chain,
                position=head.position,
                root=bytes.fromhex(tree.root or ""),
                defaults={"document": documents.sign_document(document, key), "made_at": moment},
            )
        count += new
    return count
