"""What a silo has seen of the platform, and its organisation's word that it goes on after a restore."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from federation.protocol.documents.base import Document, Encoded, Name, UtcDatetime
from federation.protocol.documents.checkpoints import KeptHead

CHAINS_REPORTED_MAX = 50
NUMBER_REPORTED_MAX = 2**52
"""The highest number that a platform goes on above: as many again are left for its orders (2^53 is the last)."""


class ChainHead(KeptHead):
    """The head of one chain that a silo keeps."""

    chain: Name


class SiloState(Document):
    """What a silo has seen of its platform (signed by the silo's identity key): sent with the heartbeat.

    A platform that was restored from a backup learns from it above which number it goes on, and which audit log the
    silo has countersigned.
    """

    payload_type = "application/vnd.consilience.silo-state.v1+json"

    silo_id: UUID
    highest_number: Annotated[int, Field(ge=0, le=2**53)]
    """Of all orders that were taken; 0 where none was."""
    heads: Annotated[tuple[ChainHead, ...], Field(max_length=CHAINS_REPORTED_MAX)] = ()
    platform_older: bool = False
    """Whether the platform has shown an audit log that does not follow from the kept one, and nobody has accepted."""
    made_at: UtcDatetime


class LogAcceptance(Document):
    """A person's word that a silo may countersign a chain that does not follow from the head which it keeps.

    Signed by the organisation's signatory key, on premises. It stays in the trainer's journal, and goes to the platform
    and into evidence: anyone who reads either sees where the log breaks.
    """

    payload_type = "application/vnd.consilience.log-acceptance.v1+json"

    identity_key: Encoded
    signatory_key: Encoded
    chain: Name
    kept: KeptHead
    """The head that is abandoned: nothing that the platform shows leads through it."""
    shown: KeptHead
    """The head of the other log, from which this silo goes on."""
    accepted_at: UtcDatetime
