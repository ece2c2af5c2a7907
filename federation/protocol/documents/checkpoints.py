"""Where the hash chain of the audit log stood at a moment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from federation.protocol.documents.base import Count, Document, Moment, Name


class AuditCheckpoint(Document):
    """The head of a chain (signed by the platform): whoever keeps it can tell later whether history was rewritten."""

    payload_type = "application/vnd.consilience.audit-checkpoint.v1+json"

    chain: Name
    position: Count
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    made_at: Moment
