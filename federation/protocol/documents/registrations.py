"""What a silo says of the data that it holds."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents.base import Digest, Document, Network, Rows, UtcDatetime


class DatasetRegistration(Document):
    """A silo's description of data it holds: schema and declared transformations, no values (signed by the silo)."""

    payload_type = "application/vnd.consilience.dataset.v1+json"

    silo_id: UUID
    declaration: DatasetDeclaration
    schema_digest: Digest
    rows_coarse: Rows
    network: Network | None = None
    """Whether the trainer may have a network. None as in 1.0: it does not say."""
    registered_at: UtcDatetime


class DatasetWithdrawal(Document):
    """A silo declares a dataset no longer, and so offers it no more (signed by the silo)."""

    payload_type = "application/vnd.consilience.dataset-withdrawal.v1+json"

    silo_id: UUID
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    withdrawn_at: UtcDatetime
