"""What an organisation says of a trainer whose state is older than its journal."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from federation.protocol.documents.base import Count, Digest, Document, Encoded, Text, UtcDatetime

LOST_MAX = 50


class StateAcceptance(Document):
    """A person's word that a trainer may go on although something of its state was lost.

    Signed by the organisation's signatory key, on premises; it stays there, in the trainer's journal. It is good for
    this trainer, for what is listed, and once: the line of the journal that it names has no acceptance after it.
    """

    payload_type = "application/vnd.consilience.state-acceptance.v1+json"

    identity_key: Encoded
    signatory_key: Encoded
    journal_lines: Count
    journal_digest: Digest | None = None
    """The hash of that line; none where there is no journal."""
    lost: Annotated[tuple[Text, ...], Field(min_length=1, max_length=LOST_MAX)]
    lost_count: Count
    """How many there are, with those that the list has no room for."""
    accepted_at: UtcDatetime
