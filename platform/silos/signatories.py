"""The organisation's signatory key as an enrolment brings it: pending on the silo until a person has confirmed it.

Anyone who holds an enrolment code can present any key. So the organisation signs with none that it was not asked about:
a key that nobody knows yet stays on the silo that brought it, where no agreement and no review can name it.
"""

from __future__ import annotations

import hmac

from accounts.actions import add_signatory_key
from accounts.models import Organisation, SignatoryKey, User
from accounts.transitions import SignatoryKeyState
from federation.errors import Invalid
from federation.protocol.keys import PublicKey
from rest.errors import Conflict, Unprocessable
from silos.models import Silo


def registered_signatory(organisation: Organisation, key: PublicKey) -> SignatoryKey | None:
    """The organisation's key where it is registered; None where it has to be confirmed first.

    Raises Invalid ``certificate.unknown_signatory`` where the organisation signs with another key, and where this one
    is, or was, another organisation's or was revoked.
    """
    active = organisation.signatory_keys.filter(state=SignatoryKeyState.ACTIVE).first()
    if active is not None and active.key_id == key.key_id:
        return active
    if active is not None or SignatoryKey.objects.filter(key_id=key.key_id).exists():
        raise Invalid(
            "certificate.unknown_signatory",
            "The certificate is signed by a key that is not this organisation's signatory key.",
            "certificate",
        )
    return None


def confirm_signatory(*, silo: Silo, signatory_fingerprint: str, by: User) -> SignatoryKey:
    """The registered key behind a silo that is being confirmed; a pending one becomes the organisation's.

    `silo` is locked by the caller. Raises Unprocessable ``silo.signatory_unconfirmed`` where a pending key's
    fingerprint is missing, Conflict ``silo.signatory_mismatch`` where it is another one, ``silo.signatory_replaced``
    where the organisation signs with another key by now, and ``signatory_key.known`` where another organisation does.
    """
    key = silo.signatory
    assert key is not None
    if not signatory_fingerprint and silo.pending_signatory_key is not None:
        raise Unprocessable(
            "silo.signatory_unconfirmed",
            (
                "The connector brought a new signatory key. Give its fingerprint too, as the person who "
                "holds the key reads it."
            ),
            "signatory_fingerprint",
        )
    if signatory_fingerprint and not is_fingerprint_of(key, signatory_fingerprint):
        raise Conflict(
            "silo.signatory_mismatch",
            "This is not the fingerprint of the signatory key that was presented. Don't confirm: ask the site.",
            "signatory_fingerprint",
        )
    active = SignatoryKey.objects.filter(organisation=silo.organisation_id, state=SignatoryKeyState.ACTIVE).first()
    if active is not None and active.key_id != key.key_id:
        raise _replaced()
    if active is not None:
        return active
    if silo.pending_signatory_key is None:  # it was registered when the silo enrolled, and revoked since
        raise _replaced()
    return add_signatory_key(organisation=silo.organisation, public_key=key, by=by)


def is_fingerprint_of(key: PublicKey, reported: str) -> bool:
    """Whether this, in whatever spacing and case, is the key's fingerprint."""
    digits = "".join(reported.split()).lower()
    return hmac.compare_digest(digits.encode(), key.fingerprint.replace(" ", "").encode())


def _replaced() -> Conflict:
    return Conflict(
        "silo.signatory_replaced",
        "The organisation does not sign with the key that certified this silo. "
        "Revoke the silo, certify it by the present key, and enrol it again.",
    )
