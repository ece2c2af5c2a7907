"""What a silo says of the data that it holds."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime

from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents.base import Count, Digest, Document


class DatasetRegistration(Document):
    """A silo's description of data it holds: schema and declared transformations, no values (signed by the silo)."""

    payload_type = "application/vnd.consilience.dataset.v1+json"

    silo_id: UUID
    declaration: DatasetDeclaration
    schema_digest: Digest
    rows_coarse: Count
    registered_at: AwareDatetime
