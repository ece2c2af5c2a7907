"""Requests as a relay of protocol 1.0 signs them: it names its version, if at all, beside what it signs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from http_message_signatures import HTTPMessageSigner
from http_message_signatures.algorithms import ED25519

from federation.protocol.keys import PrivateKey
from federation.protocol.requests import new_nonce


@dataclass
class _Message:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def sign_request_1_0(
    method: str,
    path: str,
    body: bytes,
    key: PrivateKey,
    silo_id: str | None,
    now: datetime | None = None,
    *,
    spoken: str | None = "1.0",
) -> dict[str, str]:
    """The headers that version 0.1.0 sent; `spoken` is None for a sender that names no version at all."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    silo = {} if silo_id is None else {"Consilience-Silo": silo_id}
    message = _Message(method, f"https://connector.invalid{path}", {**silo, "Content-Digest": digest})
    signer = HTTPMessageSigner(signature_algorithm=ED25519)
    prepared = signer.prepare(
        message,
        key_id=key.public.key_id,
        created=now or datetime.now(UTC),
        nonce=new_nonce(),
        label="sig1",
        tag="consilience-connector",
        include_alg=False,
        covered_component_ids=("@method", "@path", "@query", *map(str.lower, silo), "content-digest"),
        use_existing_digest=True,
    )
    signer.apply(message, prepared, key.sign(prepared.signature_base))
    return message.headers | ({} if spoken is None else {"Consilience-Protocol": spoken})
