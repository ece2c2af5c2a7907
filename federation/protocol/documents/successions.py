"""How the platform's signing key hands over to the next one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from federation.protocol.documents.base import Document, Encoded, UtcDatetime
from federation.protocol.keys import KEY_ID_PATTERN


class PlatformKeySuccession(Document):
    """The platform's word that its key has a successor (signed by the predecessor, and by nobody else)."""

    payload_type = "application/vnd.consilience.platform-key-succession.v1+json"

    sequence: Annotated[int, Field(ge=1, le=2**31 - 1)]
    predecessor: Annotated[str, Field(pattern=KEY_ID_PATTERN)]
    public_key: Encoded
    made_at: UtcDatetime
