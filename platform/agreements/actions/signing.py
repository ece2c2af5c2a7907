"""What is done to a version that is being signed: approved by a steward, signed by its members, brought into force."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import Organisation, SignatoryKey, User
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from accounts.transitions import SignatoryKeyState
from agreements.actions.expiry import update_state
from agreements.locking import lock_version, move, write_down
from agreements.membership import named_members
from agreements.models import AgreementVersion, Approval, Signature, Via
from agreements.recipients import resolve_recipients
from agreements.selectors import document_of, missing, version_with
from agreements.signatures import single
from agreements.transitions import CURRENT, AgreementState
from audit.actions import record
from audit.actors import System
from federation.agreements.signing import SignedAgreement, open_agreement
from rest.errors import Conflict, NotFound, Unprocessable
from silos.models import Silo

S = AgreementState


@dataclass(frozen=True)
class SigningResult:
    """Where the version stands once a signature was taken."""

    version: AgreementVersion
    missing: tuple[str, ...]


def accept_signature(
    *, envelope: bytes, by: Silo | User, via: Via | str, version: AgreementVersion | None = None
) -> SigningResult:
    """Take the signature of the organisation of the one who submits it; the same one again changes nothing.

    The envelope may carry the others' too, they are passed over. With the last one the version comes into force, and
    the one before is superseded, in the same transaction. Raises what `open_agreement` raises; Unprocessable
    `agreement.other_bytes` (not this version's) or `agreement.no_mandate` (no signatory of theirs has signed), NotFound
    `agreement.not_found`, Conflict `agreement.not_signing`.
    """
    opened = open_agreement(envelope)
    found = _version_of(opened, version)
    keys = _check_mandate(opened, by)
    if found.state == S.SIGNING:
        found = update_state(version=found, by=System("agreements"))
    return _take(found, [(key, single(opened, envelope, key.key_id)) for key in keys], by, Via(via))


def _version_of(opened: SignedAgreement, asked: AgreementVersion | None) -> AgreementVersion:
    found = version_with(opened.digest)
    if asked is not None and (found is None or found.pk != asked.pk):
        raise Unprocessable(
            "agreement.other_bytes",
            "The signature is over another text than this version's. Download the document from this page, sign that.",
            "document",
        )
    if found is None:
        raise NotFound.of("agreement")
    return found


def _check_mandate(opened: SignedAgreement, by: Silo | User) -> list[SignatoryKey]:
    """The present keys of the organisations of the one who submits it, as far as they have signed."""
    if isinstance(by, Silo):
        organisations = Organisation.objects.filter(pk=by.organisation_id)
    else:
        organisations = organisations_where(by, Permission.AGREEMENT_APPROVE)
    members = opened.signed_by
    keys = SignatoryKey.objects.select_related("organisation").filter(
        organisation__in=organisations, state=SignatoryKeyState.ACTIVE, key_id__in=members
    )
    if not (found := list(keys)):
        raise Unprocessable(
            "agreement.no_mandate",
            (
                "No signature in this file is by the present signatory key of your organisation, as a "
                "member of this agreement. Sign it with that key, then upload it again."
            ),
            "document",
        )
    return found


@transaction.atomic
def _take(
    version: AgreementVersion, given: list[tuple[SignatoryKey, bytes]], by: Silo | User, via: Via
) -> SigningResult:
    locked = lock_version(version)
    known = set(Signature.objects.filter(version=locked).values_list("key_id", flat=True))
    new = [(key, sealed) for key, sealed in given if key.key_id not in known]
    if not new:
        return SigningResult(locked, tuple(missing(locked)))
    if locked.state != S.SIGNING:
        raise Conflict("agreement.not_signing", _not_signing(locked))
    for key, sealed in new:
        Signature.objects.create(
            version=locked, organisation=key.organisation, key_id=key.key_id, envelope=sealed, received_via=via
        )
    left = missing(locked)
    for key, _ in new:
        record(
            by=by,
            verb="agreement.signed",
            subject=locked,
            consortium_id=locked.consortium_id,
            organisation_id=key.organisation_id,
            detail={
                "version": locked.number,
                "digest": locked.digest,
                "organisation": key.organisation.name,
                "key": key.key_id,
                "via": via.value,
                "missing": left,
            },
        )
    if not left:
        _bring_into_force(locked, by)
    return SigningResult(locked, tuple(left))


def _not_signing(version: AgreementVersion) -> str:
    if version.state == S.PROPOSED:
        because = f" {version.reason_text}" if version.reason_text else ""
        return f"This version is open to changes again: what you signed is no longer what is proposed.{because}"
    return f"This version is {AgreementState(version.state).value.replace('_', ' ')}: it takes no more signatures."


def _bring_into_force(locked: AgreementVersion, by: Silo | User) -> None:
    """The last has signed. Nothing but bytes that verify as complete gets here."""
    sealed = document_of(locked)
    if not open_agreement(sealed).complete:
        raise Conflict("agreement.unsigned", "Not every member has signed this version.")
    now = timezone.now()
    before = AgreementVersion.objects.select_for_update().filter(consortium=locked.consortium, state__in=CURRENT)
    superseded = before.first()
    if superseded is not None:
        move(superseded, S.SUPERSEDED, ended_at=now)
        write_down(superseded, "agreement.superseded", {"by": locked.digest}, by)
    move(locked, S.IN_FORCE, envelope=sealed, in_force_at=now)
    resolve_recipients(locked)
    write_down(locked, "agreement.entered_into_force", {"digest": locked.digest}, by)


@transaction.atomic
def approve(
    *, version: AgreementVersion, organisation: Organisation, seen_digest: str, shown_by: str = "", by: User
) -> Approval:
    """Say, having shown again who one is, that the organisation means to sign these bytes. The signature still binds.

    `shown_by` says by what they showed it. Raises Conflict `agreement.not_signing`, `agreement.changed_meanwhile` or
    `agreement.approved_already`, Unprocessable `agreement.not_a_member`.
    """
    locked = lock_version(version)
    if locked.state != S.SIGNING:
        raise Conflict("agreement.not_signing", _not_signing(locked))
    if seen_digest != locked.digest:
        raise Conflict(
            "agreement.changed_meanwhile", "This is not the text that you read. Read it again, then approve it."
        )
    members = named_members(locked.consortium_id, locked.terms)
    if organisation.pk not in {named.organisation_id for named in members}:
        raise Unprocessable("agreement.not_a_member", "Your organisation is not among this version's members.")
    if Approval.objects.filter(version=locked, organisation=organisation, user=by).exists():
        raise Conflict("agreement.approved_already", "You have approved this version already.")
    made = Approval.objects.create(version=locked, organisation=organisation, user=by, digest=locked.digest)
    record(
        by=by,
        verb="agreement.approved",
        subject=locked,
        consortium_id=locked.consortium_id,
        organisation_id=organisation.pk,
        detail={
            "version": locked.number,
            "digest": locked.digest,
            "organisation": organisation.name,
            "shown_by": shown_by,
        },
    )
    return made
