"""Whom the trainer believes: read from the platform's answer to the enrolment, and followed along its keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from federation.errors import FederationError
from federation.protocol.keys import PublicKey
from silo_connector.config import Config
from silo_connector.enrolment import Enrolment
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.logs import Log
from silo_connector.own_keys import pinned_signatory
from silo_connector.platform_keys import chain_from, follow, store_chain
from silo_connector.trainer.orders.verification import Trust

LOG = Log("trainer")


def enrolled(config: Config, answer: bytes, identity: PublicKey) -> Trust | None:
    """What the platform's answer and what is pinned here make together; None, and a line in the log, if they don't."""
    signatory = pinned_signatory(config)
    if signatory is None:
        LOG.error("enrolment.no_signatory", hint="run: silo-connector key certify …")
        return None
    try:
        enrolment = Enrolment.read(answer)
        platform = chain_from(config.trainer_state, enrolment.platform_key(config.platform_key))
    except FederationError as error:
        LOG.error("enrolment.refused", code=error.code, reason=error.message)
        return None
    LOG.info("enrolment.read", silo_id=str(enrolment.silo_id), platform_key=platform.current.key_id)
    return Trust(enrolment.silo_id, platform, identity, signatory.key)


def believed(sealed: bytes, folder: SafeDir, trust: Trust) -> Trust:
    """Whom to believe for this one order, where nothing may be kept. Raises as `follow`."""
    return replace(trust, platform=follow(trust.platform, sealed, folder))


def follow_key_rotation(config: Config, sealed: bytes, folder: SafeDir, trust: Trust, journal: Journal) -> Trust:
    """Adopt the platform's new key where successions lead to it: kept before anything is done under it."""
    chain = follow(trust.platform, sealed, folder)
    if chain is trust.platform:
        return trust
    store_chain(config.trainer_state, chain)
    for link in chain.links[len(trust.platform.links) :]:
        by_name: dict[str, Any] = {
            "platform_key": link.key.key_id,
            "instead_of": link.said.predecessor,
            "succession": link.said.sequence,
            "made_at": link.said.made_at.isoformat(),
        }
        journal.add("platform_key.adopted", **by_name)
        LOG.warning("platform_key.adopted", **by_name)
    return replace(trust, platform=chain)
