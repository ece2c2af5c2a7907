"""Where the audit log stood at a moment: its chain's last link, and the root of the Merkle tree over all links."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from federation.protocol.documents.base import Count, Document, Name, Part, UtcDatetime

HASH_PATTERN = r"^[0-9a-f]{64}$"
Hash = Annotated[str, Field(pattern=HASH_PATTERN)]


class AuditCheckpoint(Document):
    """The head of a chain (signed by the platform): anyone who keeps it can find out later whether history was
    rewritten.
    """

    payload_type = "application/vnd.consilience.audit-checkpoint.v1+json"

    chain: Name
    position: Count
    """How many records there are; also the size of the tree."""
    digest: Hash
    root: Hash | None = None
    """Of the Merkle tree over the chain's links (RFC 9162); None in heads of protocol 1.0."""
    made_at: UtcDatetime


class KeptHead(Part):
    """A head as a silo keeps it, or as the platform believes that it does."""

    position: Count
    digest: Hash
    root: Hash | None = None


class ConsistencyProof(Part):
    """That a head follows from another one: RFC 9162, §2.1.4; §2.1.3 where that one has no root.

    Without a root, the other head's digest is proven to be the leaf at its position.
    """

    follows: KeptHead
    """The head that the platform believes the silo to keep."""
    hashes: tuple[Hash, ...] = Field(default=(), max_length=128)
