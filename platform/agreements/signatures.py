"""One signature out of an envelope that may carry several. Pure."""

from __future__ import annotations

import json

from federation.agreements.signing import SignedAgreement, open_agreement
from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.documents import Agreement


def single(opened: SignedAgreement, sealed: bytes, key_id: str) -> bytes:
    """The envelope over the same bytes with this key's signature alone, and nothing else that was in the file.

    Raises Invalid ``envelope.malformed`` where that does not verify by itself.
    """
    bare = json.loads(envelope.sign(opened.payload, Agreement.payload_type))
    given = json.loads(sealed)["signatures"]
    own = [{"keyid": key_id, "sig": str(entry["sig"])} for entry in given if entry["keyid"] == key_id]
    alone = json.dumps({**bare, "signatures": own[:1]}, separators=(",", ":")).encode()
    if key_id not in open_agreement(alone).signed_by:
        raise Invalid(
            "envelope.malformed", "The signature can't be distinguished from the others in this file.", "document"
        )
    return alone
