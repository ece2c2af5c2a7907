"""How a silo comes in: its organisation vouches for its key, and its trainer presents itself."""

from __future__ import annotations

from pydantic import Field

from federation.protocol.documents.base import Document, Encoded, Name, PlainObject, UtcDatetime


class SiloCertificate(Document):
    """An organisation's word that an identity key belongs to one of its silos (signed by the signatory key)."""

    payload_type = "application/vnd.consilience.silo-certificate.v1+json"

    organisation: Name
    signatory_key: Encoded
    identity_key: Encoded
    not_before: UtcDatetime
    not_after: UtcDatetime


class EnrolmentStatement(Document):
    """A trainer presents itself (signed by the identity key that it names)."""

    payload_type = "application/vnd.consilience.enrolment.v1+json"

    identity_key: Encoded
    signatory_key: Encoded
    connector_version: Name
    capabilities: PlainObject = Field(default_factory=dict)
    created_at: UtcDatetime
