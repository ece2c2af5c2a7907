"""What is done to a version between its first wording and its signatures: proposed, opened for signing, taken back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from agreements.locking import check_digest_is_current, columns_of, lock_version, move, write_down
from agreements.membership import check_members
from agreements.models import AgreementVersion, Approval, Signature
from agreements.terms import agreement_of, check_wording, in_ms, terms_of
from agreements.transitions import AgreementState, check_transition
from audit.actors import Actor
from audit.reasons import Reason
from audit.statements import check_no_secret
from federation.agreements.signing import unsigned
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified

S = AgreementState


@transaction.atomic
def propose(*, version: AgreementVersion, by: Actor) -> AgreementVersion:
    """Put a draft before the members: from now on each may change it and comment on it."""
    locked = lock_version(version)
    move(locked, S.PROPOSED, proposed_at=in_ms(timezone.now()))
    return write_down(locked, "agreement.proposed", {}, by)


@transaction.atomic
def return_to_draft(*, version: AgreementVersion, by: Actor) -> AgreementVersion:
    """Make a proposal a draft again."""
    locked = lock_version(version)
    move(locked, S.DRAFT, proposed_at=None)
    return write_down(locked, "agreement.returned_to_draft", {}, by)


@transaction.atomic
def open_signing(*, version: AgreementVersion, seen_digest: str | None = None, by: Actor) -> AgreementVersion:
    """Fix the bytes that every member is to sign.

    `seen_digest` is the `terms_digest` of the wording that the person who opens it has read. Raises Conflict
    `agreement.changed_meanwhile` where it is another by now, Invalid `agreement.contradiction` and Unprocessable
    `agreement.members` with what prevents it, by field.
    """
    locked = lock_version(version)
    check_digest_is_current(locked, seen_digest)
    terms = terms_of(locked)
    check_transition(S(locked.state), S.SIGNING)
    check_wording(terms)
    check_members(locked.consortium_id, terms)
    agreement = agreement_of(locked)
    payload = payload_unverified(unsigned(agreement))
    move(
        locked,
        S.SIGNING,
        payload=payload,
        protocol=agreement.protocol,
        digest=digest_bytes(payload),
        not_before=terms.validity.not_before,
        not_after=terms.validity.not_after,
        signing_at=timezone.now(),
        **columns_of(Reason("")),
    )
    return write_down(locked, "agreement.signing_opened", {"digest": locked.digest}, by)


@transaction.atomic
def reopen(*, version: AgreementVersion, reason: str, by: Actor) -> AgreementVersion:
    """Stop the signing so that the terms can be changed. The signatures so far are thrown away.

    The version gets the next number: what somebody may have signed already and what comes next are never the same.
    """
    check_no_secret(reason, "reason")
    return discard_signatures_and_reopen(
        locked=lock_version(version), why=Reason("agreement.reopened", text=reason), by=by
    )


def discard_signatures_and_reopen(*, locked: AgreementVersion, why: Reason, by: Actor) -> AgreementVersion:
    """The same, for a version that is held already; `why` says what led to it."""
    gone = locked.digest
    thrown_away = sorted(Signature.objects.filter(version=locked).values_list("organisation__name", flat=True))
    move(
        locked,
        S.PROPOSED,
        number=locked.number + 1,
        payload=None,
        protocol="",
        digest="",
        not_before=None,
        not_after=None,
        signing_at=None,
        proposed_at=in_ms(timezone.now()),
        **columns_of(why),
    )
    Signature.objects.filter(version=locked).delete()
    Approval.objects.filter(version=locked).delete()
    detail = {"digest": gone, "thrown_away": thrown_away, **why.detail}
    return write_down(locked, "agreement.reopened", detail, by)


@transaction.atomic
def withdraw(*, version: AgreementVersion, reason: str = "", by: Actor) -> AgreementVersion:
    """Give a version up that is not in force; another one can be drafted."""
    check_no_secret(reason, "reason")
    locked = lock_version(version)
    move(locked, S.WITHDRAWN, ended_at=timezone.now(), **columns_of(Reason("agreement.withdrawn", text=reason)))
    return write_down(locked, "agreement.withdrawn", {"reason": reason}, by)
