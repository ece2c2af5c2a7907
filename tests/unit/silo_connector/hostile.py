"""What a platform that turned against its silos can do: it holds its own key, and all that members ever signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from federation.protocol import envelope
from federation.protocol.documents import Agreement, CohortMember, Manifest, Order, SiloCertificate, now, sign_document
from federation.protocol.keys import PrivateKey
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site

Play = Callable[[Site, Trainer], Order]
CANCER = {"permission": "DS", "diseases": ["ICD-10:C"]}


@dataclass(frozen=True)
class Attack:
    """What the platform does, and with which code and clause it is refused."""

    play: Play
    code: str
    clause: str | None


ATTACKS: dict[str, Attack] = {}


def refused_as(code: str, clause: str | None = None) -> Callable[[Play], Play]:
    """Enter an attack into the list."""

    def enter(play: Play) -> Play:
        ATTACKS[play.__name__] = Attack(play, code, clause)
        return play

    return enter


def play(site: Site, manifest: Manifest, fill: float = 0.0, **changes: Any) -> Order:
    """Give an order of this job; a number of its own unless one is given."""
    order = site.order(manifest, fill, **{"number": uuid4().int % 2**40 + 1, **changes})
    site.deliver(order, manifest)
    return order


def honest(site: Site, trainer: Trainer, manifest: Manifest, fill: float = 0.0, **changes: Any) -> Order:
    """An order that is carried out."""
    order = play(site, manifest, fill, **changes)
    trainer.process_inbox()
    site.submission(order)
    return order


def certificate(signatory: PrivateKey, identity: PrivateKey, *, by: PrivateKey | None = None, days: int = 30) -> str:
    """The word of a signatory for a silo's key; really signed by another key if one is given."""
    statement = SiloCertificate(
        organisation="Another",
        signatory_key=signatory.public.encoded,
        identity_key=identity.public.encoded,
        not_before=now() - timedelta(days=10),
        not_after=now() + timedelta(days=days),
    )
    return sign_document(statement, by or signatory).decode()


def silo_of(site: Site, signatory: PrivateKey, **changes: Any) -> CohortMember:
    """A further silo for a cohort, of the organisation that has this signatory key: certified unless stated
    otherwise.
    """
    identity = PrivateKey.generate()
    own = site.job().cohort[0]
    is_ours = signatory.public.encoded == own.signatory_key
    content = {
        "silo_id": uuid4(),
        "organisation": own.organisation if is_ours else f"Organisation {signatory.public.key_id[:8]}",
        "silo": "Another silo",
        "identity_key": identity.public.encoded,
        "signatory_key": signatory.public.encoded,
        "certificate": certificate(signatory, identity),
    }
    return own.model_copy(update=content | changes)


def with_cohort(site: Site, *more: CohortMember, **changes: Any) -> Manifest:
    """A job of this silo and further ones."""
    manifest = site.job(**changes)
    return manifest.model_copy(update={"cohort": (*manifest.cohort, *more)})


def edited(sealed: bytes, **changes: Any) -> bytes:
    """An agreement whose terms somebody has changed, under the signatures that it had."""
    data = json.loads(sealed)
    content = json.loads(envelope.payload_unverified(sealed))
    for name, change in changes.items():
        content["terms"][name] |= change
    other = json.loads(envelope.sign(json.dumps(content).encode(), Agreement.payload_type))
    return json.dumps(data | {"payload": other["payload"]}).encode()


def signed_as(sealed: bytes, victim: PrivateKey, thief: PrivateKey) -> bytes:
    """An envelope in which a signature of one key stands under the id of another."""
    forged = json.loads(envelope.sign(envelope.payload_unverified(sealed), envelope.payload_type_of(sealed), thief))
    data = json.loads(sealed)
    kept = [entry for entry in data["signatures"] if entry["keyid"] != victim.public.key_id]
    entry = forged["signatures"][0] | {"keyid": victim.public.key_id}
    return json.dumps(data | {"signatures": [*kept, entry]}).encode()
