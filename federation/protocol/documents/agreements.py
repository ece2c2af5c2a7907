"""The data-use agreement of a consortium, as its members sign it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from federation.protocol.documents.base import Digest, Document, Name, UtcDatetime
from federation.protocol.documents.terms import Terms


class Agreement(Document):
    """One version of a data-use agreement (signed by the signatory key of every member, over the same bytes).

    Its hash is the SHA-256 of the signed payload: signatures come one by one and don't change it.
    """

    payload_type = "application/vnd.consilience.agreement.v1+json"
    is_closed = True

    agreement_id: UUID
    """The same in all versions."""
    consortium_id: UUID
    consortium: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    supersedes: Digest | None = None
    """The hash of the version before."""
    terms: Terms
    proposed_at: UtcDatetime
