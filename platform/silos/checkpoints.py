"""The heads of the audit chains as silos see them: shown with the heartbeat, and kept once they are countersigned."""

from __future__ import annotations

import json

from django.utils import timezone

from audit.models import Checkpoint, Countersignature
from consortia.models import Participation
from consortia.transitions import ParticipationState
from federation.errors import Invalid, Untrusted
from federation.protocol import envelope
from federation.protocol.chains import chain_of
from federation.protocol.documents import AuditCheckpoint, open_sealed
from silos.models import Silo


def to_countersign(silo: Silo) -> list[dict[str, object]]:
    """The newest head of each chain of the silo's consortia that it has not countersigned."""
    active = Participation.objects.filter(organisation=silo.organisation_id, state=ParticipationState.ACTIVE)
    chains = [chain_of(consortium_id) for consortium_id in active.values_list("consortium_id", flat=True)]
    newest = Checkpoint.objects.filter(chain__in=chains).order_by("chain", "-position").distinct("chain")
    signed = Countersignature.objects.filter(silo_id=silo.id).values("checkpoint")
    return [json.loads(bytes(row.document)) for row in Checkpoint.objects.filter(pk__in=newest).exclude(pk__in=signed)]


def take_countersignature(*, document: bytes, by: Silo) -> bool:
    """Keep a silo's signature on a head; whether it is new.

    Raises Untrusted ``signature.invalid``, Invalid ``checkpoint.unknown`` where the platform has signed no such bytes.
    """
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    said = open_sealed(AuditCheckpoint, document, [by.identity])
    row = Checkpoint.objects.filter(chain=said.chain, position=said.position).first()
    if row is None or envelope.peek(bytes(row.document)) != envelope.peek(document):
        raise Invalid("checkpoint.unknown", "The platform has signed no such head.", "document")
    _, new = Countersignature.objects.get_or_create(
        checkpoint=row, silo_id=by.id, defaults={"document": document, "at": timezone.now()}
    )
    return new
