"""How a silo comes in: its organisation vouches for its key, and its trainer presents itself."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from federation.protocol.documents.base import Document, Name


class SiloCertificate(Document):
    """An organisation's word that an identity key belongs to one of its silos (signed by the signatory key)."""

    payload_type = "application/vnd.consilience.silo-certificate.v1+json"

    organisation: Name
    signatory_key: str
    identity_key: str
    not_before: AwareDatetime
    not_after: AwareDatetime


class EnrolmentStatement(Document):
    """A trainer presents itself (signed by the identity key that it names)."""

    payload_type = "application/vnd.consilience.enrolment.v1+json"

    identity_key: str
    signatory_key: str
    connector_version: Name
    capabilities: dict[str, Any] = Field(default_factory=dict, max_length=50)
    created_at: AwareDatetime
