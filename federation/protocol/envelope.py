"""DSSE envelopes: what is verified is the bytes that were signed, never a re-serialisation.

Source: Dead Simple Signing Envelope v1.0.2 (secure-systems-lab/dsse, protocol.md and envelope.md). The envelope and its
pre-authentication encoding are securesystemslib's; the keys are ours (``keys.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecuresystemslibError
from securesystemslib.signer import Signature  # type: ignore[attr-defined,unused-ignore]

from federation.errors import Invalid, Untrusted
from federation.protocol.keys import PrivateKey, PublicKey
from federation.validation.encodings import strict_base64, strict_json

ENVELOPE_BYTES_MAX = 4 << 20
_SIGNATURES_MAX = 256


@dataclass(frozen=True)
class Verified:
    """A payload and the ids of the trusted keys whose signatures over it hold."""

    payload: bytes
    key_ids: frozenset[str]


def sign(payload: bytes, payload_type: str, *keys: PrivateKey) -> bytes:
    """Seal the payload: the JSON of a DSSE envelope with one signature per key."""
    envelope = Envelope(payload, payload_type, {})
    message = envelope.pae()
    for key in keys:
        key_id = key.public.key_id
        envelope.signatures[key_id] = Signature(key_id, key.sign(message).hex())
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


def verify(envelope: bytes, payload_type: str, keys: Iterable[PublicKey]) -> Verified:
    """Open an envelope that at least one of these keys signed.

    Raises Invalid ``envelope.malformed`` when it is no DSSE envelope or not of this payload type, Untrusted
    ``signature.invalid`` when no trusted key signed it, or when a signature under a trusted key's id does not hold.
    """
    sealed = _parse(envelope)
    if sealed.payload_type != payload_type:
        raise Invalid("envelope.malformed", f"Expected an envelope of type {payload_type}.")
    trusted = {key.key_id: key for key in keys}
    message = sealed.pae()
    holding: set[str] = set()
    for key_id, signature in sealed.signatures.items():
        if key_id in trusted:
            trusted[key_id].verify(bytes.fromhex(signature.signature), message)
            holding.add(key_id)
    if not holding:
        raise Untrusted("signature.invalid", "No key that is trusted here has signed this document.")
    return Verified(sealed.payload, frozenset(holding))


def payload_unverified(envelope: bytes) -> bytes:
    """The payload without any verification: only for routing, never for a decision."""
    return _parse(envelope).payload


def payload_type_of(envelope: bytes) -> str:
    """What kind of document an envelope says it holds; `verify` then holds it to that."""
    return str(_parse(envelope).payload_type)


def signers(envelope: bytes) -> frozenset[str]:
    """The ids of the keys that an envelope says have signed it; whether they have, `verify` finds out."""
    return frozenset(_parse(envelope).signatures)


def _parse(envelope: bytes) -> Envelope:
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise Invalid("envelope.too_large", f"A document may have {ENVELOPE_BYTES_MAX} bytes.")
    try:
        data: Any = strict_json(envelope)
        if len(data["signatures"]) > _SIGNATURES_MAX:
            raise Invalid("envelope.malformed", "The envelope has too many signatures.")
        for text in (data["payload"], *(entry["sig"] for entry in data["signatures"])):
            strict_base64(text)
        return Envelope.from_dict(data)
    except Invalid as error:
        if error.code == "envelope.malformed":
            raise
        raise _malformed() from error
    except (SecuresystemslibError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _malformed() from error


def _malformed() -> Invalid:
    return Invalid("envelope.malformed", "This is no signed document (DSSE envelope): is it the right file?")
