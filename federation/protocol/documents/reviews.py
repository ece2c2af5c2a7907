"""What an organisation says of custom code."""

from __future__ import annotations

from typing import Literal

from federation.protocol.documents.base import Digest, Document, Encoded, Name, Text, UtcDatetime


class CodeReview(Document):
    """A reviewer's word on a training plan (signed by the organisation's signatory key, on premises).

    The newest word of each reviewer counts (``federation.plans.reviews``).
    """

    payload_type = "application/vnd.consilience.code-review.v1+json"

    code_digest: Digest
    signatory_key: Encoded
    reviewer: Name
    verdict: Literal["approved", "refused"]
    note: Text = ""
    reviewed_at: UtcDatetime
