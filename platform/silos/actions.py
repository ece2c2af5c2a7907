"""What is done to silos: made, enrolled, confirmed, revoked; and what they report."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organisation, SignatoryKey, User
from audit.actions import record
from audit.actors import Actor
from federation.errors import Invalid
from federation.protocol.documents import EnrolmentStatement, SiloCertificate, open_sealed, read
from federation.protocol.envelope import peek
from federation.protocol.keys import PublicKey
from live import notices
from rest.errors import Conflict
from silos.codes import check_usable, hash_of
from silos.models import EnrolmentCode, Silo
from silos.transitions import TRANSITIONS, SiloState

CODE_LIFETIME = timedelta(hours=24)
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def create(*, organisation: Organisation, name: str, by: Actor) -> Silo:
    """Give a silo its name; its connector still has to enrol."""
    with transaction.atomic():
        Organisation.objects.select_for_update(no_key=True).get(id=organisation.id)
        if Silo.objects.filter(organisation=organisation, name=name).exists():
            raise Conflict(
                "silo.name_taken", "This organisation has a silo of that name already. Choose another name.", "name"
            )
        silo = Silo.objects.create(organisation=organisation, name=name, palette=Silo.objects.count())
        record(by=by, verb="silo.created", subject=silo, organisation_id=organisation.id)
    return silo


def issue_code(*, silo: Silo, by: User) -> tuple[str, EnrolmentCode]:
    """Make a code for one enrolment, valid for a day; older codes of the silo end. Returned once, kept as a hash."""
    groups = ["".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(5)]
    code = "-".join(groups)
    with transaction.atomic():
        now = timezone.now()
        EnrolmentCode.objects.filter(silo=silo, used_at=None, expires_at__gt=now).update(expires_at=now)
        row = EnrolmentCode.objects.create(
            silo=silo, code_hash=hash_of(code), created_by=by, expires_at=now + CODE_LIFETIME
        )
        record(by=by, verb="silo.code_issued", subject=silo, organisation_id=silo.organisation_id)
    return code, row


def enrol(*, code: str, transport_key: PublicKey, statement: bytes, certificate: bytes, by: Actor) -> Silo:
    """A connector presents itself with a code. It may do nothing until it is confirmed.

    Raises NotFound, Conflict or Gone ``enrolment.code_unknown|code_used|code_expired``, Invalid ``certificate.*``.
    A failure uses up no code; the same connector again with the same code, whose answer was lost, gets it again.
    """
    said, certified = _check_documents(statement, certificate)
    with transaction.atomic():
        row = EnrolmentCode.objects.select_for_update().filter(code_hash=hash_of(code)).first()
        if row is not None and row.used_at is not None and _is_same_again(row, transport_key, statement):
            return Silo.objects.select_related("organisation").get(id=row.silo_id)
        row = check_usable(row)
        silo = Silo.objects.select_for_update().select_related("organisation").get(id=row.silo_id)
        signatory = _signatory(silo.organisation, PublicKey.from_encoded(certified.signatory_key), by)
        silo.identity_key = PublicKey.from_encoded(said.identity_key).raw
        silo.transport_key = transport_key.raw
        silo.signatory_key = signatory
        silo.statement, silo.certificate = statement, certificate
        silo.connector_version, silo.capabilities = said.connector_version, said.capabilities
        silo.enrolled_at, silo.confirmed_at, silo.confirmed_by = timezone.now(), None, None
        _move(
            silo,
            SiloState.PRESENTED,
            "identity_key",
            "transport_key",
            "signatory_key",
            "statement",
            "certificate",
            "connector_version",
            "capabilities",
            "enrolled_at",
            "confirmed_at",
            "confirmed_by",
        )
        row.used_at = timezone.now()
        row.save(update_fields=["used_at"])
        record(
            by=silo,
            verb="silo.presented",
            subject=silo,
            organisation_id=silo.organisation_id,
            detail={"identity": silo.identity.key_id if silo.identity else None},
        )
    return silo


def _is_same_again(row: EnrolmentCode, transport_key: PublicKey, statement: bytes) -> bool:
    """Whether this code enrolled exactly this connector, which still waits to be confirmed."""
    silo = row.silo
    same = bytes(silo.transport_key or b"") == transport_key.raw and bytes(silo.statement or b"") == statement
    return same and silo.state == SiloState.PRESENTED


def confirm(*, silo: Silo, identity_fingerprint: str, by: User) -> Silo:
    """The connector may work from now on: whoever confirms repeats the fingerprint that its site shows.

    Raises Conflict ``silo.fingerprint_mismatch`` unless it is that of the key which has presented itself.
    """
    with transaction.atomic():
        silo = Silo.objects.select_for_update().get(id=silo.id)
        _check_fingerprint(silo, identity_fingerprint)
        silo.confirmed_at, silo.confirmed_by = timezone.now(), by
        _move(silo, SiloState.ACTIVE, "confirmed_at", "confirmed_by")
        record(
            by=by,
            verb="silo.confirmed",
            subject=silo,
            organisation_id=silo.organisation_id,
            detail={"identity": silo.identity.key_id if silo.identity else None},
        )
    return silo


def revoke(*, silo: Silo, by: User) -> Silo:
    """The silo's keys count for nothing any more; it can be enrolled again with a new code."""
    with transaction.atomic():
        silo = Silo.objects.select_for_update().get(id=silo.id)
        silo.revoked_at = timezone.now()
        _move(silo, SiloState.REVOKED, "revoked_at")
        EnrolmentCode.objects.filter(silo=silo, used_at=None).update(expires_at=timezone.now())
        record(by=by, verb="silo.revoked", subject=silo, organisation_id=silo.organisation_id)
        notices.notify(notices.ORDERS, [silo.id])  # a poll that is held learns it now
    return silo


def _check_fingerprint(silo: Silo, told: str) -> None:
    """Raise Conflict ``silo.fingerprint_mismatch`` unless this, in whatever spacing, names the silo's identity key."""
    digits = "".join(told.split()).lower()
    if silo.identity is not None and digits != silo.identity.fingerprint.replace(" ", ""):
        raise Conflict(
            "silo.fingerprint_mismatch",
            "This is not the fingerprint of the key that has presented itself. Don't confirm: ask the site.",
            "identity_fingerprint",
        )


def _check_documents(statement: bytes, certificate: bytes) -> tuple[EnrolmentStatement, SiloCertificate]:
    """Both documents, each verified under the key that it names, and agreeing with each other."""
    identity = PublicKey.from_encoded(read(EnrolmentStatement, peek(statement)).identity_key)
    said = open_sealed(EnrolmentStatement, statement, [identity])
    signatory = PublicKey.from_encoded(read(SiloCertificate, peek(certificate)).signatory_key)
    certified = open_sealed(SiloCertificate, certificate, [signatory])
    if certified.identity_key != said.identity_key or certified.signatory_key != said.signatory_key:
        raise Invalid("certificate.other_key", "The certificate is for another silo's key.", "certificate")
    if not certified.not_before <= timezone.now() < certified.not_after:
        raise Invalid(
            "certificate.not_valid_now", "The certificate is not valid now. Certify the silo again.", "certificate"
        )
    return said, certified


def _signatory(organisation: Organisation, key: PublicKey, by: Actor) -> SignatoryKey:
    """The organisation's signatory key. The first one presented is taken, confirmed with the silo; then it is fixed."""
    known = SignatoryKey.objects.filter(organisation=organisation, revoked_at=None)
    found = known.filter(key_id=key.key_id).first()
    if found is not None:
        return found
    if known.exists() or SignatoryKey.objects.filter(key_id=key.key_id).exists():
        raise Invalid(
            "certificate.unknown_signatory",
            "The certificate is signed by a key that is not this organisation's signatory key.",
            "certificate",
        )
    from accounts.actions import add_signatory_key

    return add_signatory_key(organisation=organisation, public_key=key, by=by)


def _move(silo: Silo, to: SiloState, *fields: str) -> None:
    if to not in TRANSITIONS[SiloState(silo.state)]:
        raise Conflict(
            "silo.wrong_state",
            _("A silo that is %(now)s can't become %(then)s.") % {"now": SiloState(silo.state).label, "then": to.label},
        )
    silo.state = to
    silo.save(update_fields=["state", *fields])
