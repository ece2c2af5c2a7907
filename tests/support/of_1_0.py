"""Documents as a party of protocol 1.0 would have signed them: today's, with the names of then."""

from __future__ import annotations

import json

from federation.protocol import envelope
from federation.protocol.documents import Document, Manifest, Order, Submission
from federation.protocol.keys import PrivateKey


def payload_of_1_0(document: Document) -> bytes:
    """The bytes that it would have had."""
    body = json.loads(document.model_dump_json()) | {"protocol": "1.0"}
    match document:
        case Order():
            body["model"] = body.pop("inputs").get("model")
            grant = body.pop("outputs").get("update")
            body["upload"] = grant and {name: grant[name] for name in ("size_bytes_max", "url")}
        case Submission():
            payload = body.pop("payloads").get("update")
            body["payload"] = payload and {name: payload[name] for name in ("digest", "size_bytes")}
            if body["evaluation"] is not None:
                figures = body["evaluation"].pop("figures")
                table = figures.pop("confusion", None)
                body["evaluation"] |= {**figures, "confusion": table and {"counts": table}}
        case Manifest():
            body["privacy"] = body.pop("privacy_cost")
    return json.dumps(body).encode()


def sealed_as_1_0(document: Document, *keys: PrivateKey) -> bytes:
    """It, signed."""
    return envelope.sign(payload_of_1_0(document), document.payload_type, *keys)
