"""Heads of audit chains between platform and silos: shown until countersigned, and kept as they came."""

from __future__ import annotations

import json

import pytest

from audit import checkpoints, sequencing
from audit.models import Checkpoint, Countersignature
from consortia.actions import edit_consortium
from federation.errors import FederationError, Invalid
from federation.protocol.chains import chain_of
from federation.protocol.documents import AuditCheckpoint, now, seal
from federation.protocol.envelope import peek, sign
from silos.checkpoints import take_countersignature, to_countersign
from tests.support.federation import Federation, PlayedSilo, make_federation
from training import issuing
from training.long_poll import take_checkpoint, take_heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture
def federation() -> Federation:
    """Three silos, and the head of their consortium signed."""
    made = make_federation()
    sign_heads()
    return made


def sign_heads() -> None:
    """What the worker does every minute."""
    sequencing.chain_new()
    checkpoints.sign_heads(issuing.signing_key())


def countersign(played: PlayedSilo, shown: dict[str, object]) -> bytes:
    """What the trainer makes of a head."""
    return sign(peek(json.dumps(shown).encode()), AuditCheckpoint.payload_type, played.identity)


def test_a_head_is_shown_until_this_silo_has_countersigned_it(federation: Federation) -> None:
    first, second = federation.silos[:2]
    (shown,) = take_heartbeat(first.silo, {})["checkpoints"]
    document = json.loads(countersign(first, shown))
    assert take_checkpoint(first.silo, {"document": document}) == {"state": "kept"}
    assert take_checkpoint(first.silo, {"document": document}) == {"state": "known"}
    assert to_countersign(first.silo) == []
    assert to_countersign(second.silo) == [shown]
    assert Countersignature.objects.get().silo_id == first.silo.id
    edit_consortium(consortium=federation.consortium, name="Renamed", description="", by=federation.administrator)
    sign_heads()
    (newer,) = to_countersign(first.silo)
    assert newer != shown


def test_only_heads_of_its_own_consortia_are_shown(federation: Federation) -> None:
    other = make_federation(name="other")
    sign_heads()
    (shown,) = to_countersign(other.silos[0].silo)
    said = AuditCheckpoint.model_validate_json(peek(json.dumps(shown).encode()))
    assert said.chain == chain_of(other.consortium.id)
    assert federation


def test_what_the_platform_has_not_signed_or_another_silo_has_is_not_kept(federation: Federation) -> None:
    first, second = federation.silos[:2]
    (shown,) = to_countersign(first.silo)
    with pytest.raises(FederationError) as caught:
        take_countersignature(document=countersign(second, shown), by=first.silo)
    assert caught.value.code == "signature.invalid"
    row = Checkpoint.objects.get(chain=chain_of(federation.consortium.id))
    invented = AuditCheckpoint(chain=row.chain, position=row.position, digest="f" * 64, made_at=now())
    with pytest.raises(Invalid) as refused:
        take_countersignature(document=seal(invented, first.identity), by=first.silo)
    assert refused.value.code == "checkpoint.unknown"
    assert not Countersignature.objects.exists()
