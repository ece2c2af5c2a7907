"""Documents as a party of protocol 1.0 would have signed them: today's, with the names of then."""

from __future__ import annotations

import json

from federation.protocol import envelope
from federation.protocol.documents import Document, Manifest, Order, Submission
from federation.protocol.keys import PrivateKey


def payload_of_1_0(document: Document) -> bytes:
    """The bytes that it would have had."""
    said = json.loads(document.model_dump_json()) | {"protocol": "1.0"}
    match document:
        case Order():
            said["model"] = said.pop("inputs").get("model")
            grant = said.pop("outputs").get("update")
            said["upload"] = grant and {name: grant[name] for name in ("size_bytes_max", "url")}
        case Submission():
            payload = said.pop("payloads").get("update")
            said["payload"] = payload and {name: payload[name] for name in ("digest", "size_bytes")}
            if said["evaluation"] is not None:
                figures = said["evaluation"].pop("figures")
                table = figures.pop("confusion", None)
                said["evaluation"] |= {**figures, "confusion": table and {"counts": table}}
        case Manifest():
            said["privacy"] = said.pop("privacy_cost")
    return json.dumps(said).encode()


def sealed_as_1_0(document: Document, *keys: PrivateKey) -> bytes:
    """It, signed."""
    return envelope.sign(payload_of_1_0(document), document.payload_type, *keys)
