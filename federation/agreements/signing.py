"""Signatures on an agreement: each is an envelope over the same bytes; together they are one envelope."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from federation.errors import Untrusted
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Agreement, read
from federation.protocol.keys import PrivateKey, PublicKey


@dataclass(frozen=True)
class SignedAgreement:
    """An agreement with the bytes that were signed, and by whom as far as that was verified."""

    agreement: Agreement
    payload: bytes
    signed_by: frozenset[str]

    @property
    def digest(self) -> str:
        """The hash that a manifest names: of the payload, which no further signature changes."""
        return digest_bytes(self.payload)

    @property
    def complete(self) -> bool:
        """Whether every member has signed."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The organisations that have not signed."""
        return tuple(
            member.organisation
            for member in self.agreement.terms.members
            if PublicKey.from_encoded(member.signatory_key).key_id not in self.signed_by
        )


def unsigned(agreement: Agreement) -> bytes:
    """The envelope that goes around for signatures: nobody has signed it."""
    return envelope.sign(agreement.model_dump_json().encode(), Agreement.payload_type)


def open_agreement(sealed: bytes) -> SignedAgreement:
    """Read an agreement and verify every signature of a member's key.

    A signature under a member's key id that does not hold raises Untrusted ``signature.invalid``; signatures of others
    count for nothing. Raises Invalid ``envelope.malformed`` and ``document.malformed`` as everywhere.
    """
    if envelope.payload_type_of(sealed) != Agreement.payload_type:
        raise Untrusted("agreement.malformed", "This is no agreement.")
    payload = envelope.payload_unverified(sealed)
    agreement = read(Agreement, payload)
    members = [PublicKey.from_encoded(member.signatory_key) for member in agreement.terms.members]
    known = {key.key_id for key in members}
    if not envelope.signers(sealed) & known:
        return SignedAgreement(agreement, payload, frozenset())
    verified = envelope.verify(sealed, Agreement.payload_type, members)
    return SignedAgreement(agreement, verified.payload, verified.key_ids)


def sign(sealed: bytes, key: PrivateKey) -> bytes:
    """The same envelope with one more signature. Raises Untrusted ``agreement.not_a_member`` for a stranger's key."""
    opened = open_agreement(sealed)
    if key.public.encoded not in {member.signatory_key for member in opened.agreement.terms.members}:
        raise Untrusted(
            "agreement.not_a_member", f"The key {key.public.fingerprint} is not that of a member of this agreement."
        )
    return merge([sealed, envelope.sign(opened.payload, Agreement.payload_type, key)])


def merge(envelopes: Iterable[bytes]) -> bytes:
    """One envelope with the signatures of all, which must be over the same bytes.

    Raises Untrusted ``agreement.other_bytes`` where they are not. Nothing is verified here: `open_agreement` does.
    """
    first, *others = [json.loads(sealed) for sealed in envelopes]
    signatures = {entry["keyid"]: entry for entry in first["signatures"]}
    for other in others:
        if (other["payload"], other["payloadType"]) != (first["payload"], first["payloadType"]):
            raise Untrusted("agreement.other_bytes", "The signature is over another text than this version's.")
        signatures |= {entry["keyid"]: entry for entry in other["signatures"]}
    return json.dumps({**first, "signatures": list(signatures.values())}, separators=(",", ":")).encode()
