"""What is done to silos: made, enrolled, confirmed, revoked; and what they report."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from audit.actions import record
from audit.actors import Actor
from federation.errors import Invalid
from federation.protocol.documents import EnrolmentStatement, SiloCertificate, read, verify_document
from federation.protocol.documents.manifests import CERTIFICATE_LENGTH_MAX
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PublicKey
from realtime import notices
from rest.errors import Conflict
from silos.capabilities import bounded
from silos.codes import check_usable, hash_of
from silos.models import EnrolmentCode, RefusedRequest, Silo
from silos.signatories import confirm_signatory, is_fingerprint_of, registered_signatory
from silos.transitions import TRANSITIONS, SiloState

CODE_LIFETIME = timedelta(hours=24)
UNCONFIRMED_FOR = timedelta(days=7)
"""How long a connector that has presented itself waits for its confirmation."""
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

    A signatory key that the organisation has not registered stays pending on the silo until then.

    Raises NotFound, Conflict or Gone ``enrolment.code_unknown|code_used|code_expired``, Invalid ``certificate.*``.
    A failure uses up no code; the same connector again with the same code, whose answer was lost, gets it again.
    """
    stated, certified = _check_documents(statement, certificate)
    with transaction.atomic():
        row = EnrolmentCode.objects.select_for_update().filter(code_hash=hash_of(code)).first()
        if row is not None and row.used_at is not None and _is_same_again(row, transport_key, stated):
            return Silo.objects.select_related("organisation").get(id=row.silo_id)
        row = check_usable(row)
        silo = Silo.objects.select_for_update().select_related("organisation").get(id=row.silo_id)
        key = PublicKey.from_encoded(certified.signatory_key)
        signatory = registered_signatory(silo.organisation, key)
        silo.identity_key = PublicKey.from_encoded(stated.identity_key).raw
        silo.transport_key = transport_key.raw
        silo.signatory_key = signatory or silo.signatory_key
        silo.pending_signatory_key = key.raw if signatory is None else None
        silo.statement, silo.certificate = statement, certificate
        silo.connector_version, silo.capabilities = stated.connector_version, bounded(stated.capabilities)
        silo.capabilities_noted = silo.capabilities
        silo.enrolled_at, silo.confirmed_at, silo.confirmed_by = timezone.now(), None, None
        _move(
            silo,
            SiloState.PRESENTED,
            "identity_key",
            "transport_key",
            "signatory_key",
            "pending_signatory_key",
            "statement",
            "certificate",
            "connector_version",
            "capabilities",
            "capabilities_noted",
            "enrolled_at",
            "confirmed_at",
            "confirmed_by",
        )
        RefusedRequest.objects.filter(silo=silo).delete()  # it was signed by the keys before
        row.used_at = timezone.now()
        row.save(update_fields=["used_at"])
        record(
            by=silo,
            verb="silo.presented",
            subject=silo,
            organisation_id=silo.organisation_id,
            detail={**_keys_of(silo), "signatory_pending": signatory is None},
        )
    return silo


def _is_same_again(row: EnrolmentCode, transport_key: PublicKey, statement: EnrolmentStatement) -> bool:
    """Whether this code enrolled exactly this connector, by these keys, which nobody has revoked since."""
    silo = row.silo
    if silo.state not in (SiloState.PRESENTED, SiloState.ACTIVE) or silo.identity is None or silo.signatory is None:
        return False
    keys = silo.identity.encoded, silo.signatory.encoded, bytes(silo.transport_key or b"")
    return keys == (statement.identity_key, statement.signatory_key, transport_key.raw)


def confirm(*, silo: Silo, identity_fingerprint: str, signatory_fingerprint: str = "", by: User) -> Silo:
    """The connector may work from now on: anyone who confirms repeats the fingerprints that its site shows.

    With it a signatory key that was pending becomes the organisation's. Raises Conflict ``silo.fingerprint_mismatch``
    unless the first is that of the key which has presented itself, ``silo.presentation_expired`` after a week, and
    what `confirm_signatory` raises.
    """
    with transaction.atomic():
        silo = Silo.objects.select_for_update(of=("self",)).select_related("organisation").get(id=silo.id)
        _check_movable(silo, SiloState.ACTIVE)
        _check_not_expired(silo)
        _check_fingerprint(silo, identity_fingerprint)
        silo.signatory_key = confirm_signatory(silo=silo, signatory_fingerprint=signatory_fingerprint, by=by)
        silo.pending_signatory_key = None
        silo.confirmed_at, silo.confirmed_by = timezone.now(), by
        _move(silo, SiloState.ACTIVE, "confirmed_at", "confirmed_by", "signatory_key", "pending_signatory_key")
        record(by=by, verb="silo.confirmed", subject=silo, organisation_id=silo.organisation_id, detail=_keys_of(silo))
    return silo


def revoke(*, silo: Silo, by: User) -> Silo:
    """The silo's keys count for nothing any more; it can be enrolled again with a new code."""
    with transaction.atomic():
        return _end(Silo.objects.select_for_update().get(id=silo.id), "silo.revoked", by)


def expire_unconfirmed(*, by: Actor) -> int:
    """Revoke the silos whose connectors presented themselves a week ago and were not confirmed. Returns how many."""
    waiting = Silo.objects.filter(state=SiloState.PRESENTED, enrolled_at__lte=timezone.now() - UNCONFIRMED_FOR)
    count = 0
    for silo_id in list(waiting.values_list("id", flat=True)):
        with transaction.atomic():
            silo = waiting.select_for_update().filter(id=silo_id).first()
            if silo is not None:
                _end(silo, "silo.presentation_expired", by)
                count += 1
    return count


def _end(silo: Silo, verb: str, by: Actor) -> Silo:
    """Revoke a locked silo, its codes, and a signatory key that nobody has confirmed."""
    dropped = PublicKey(bytes(silo.pending_signatory_key)).key_id if silo.pending_signatory_key else None
    silo.revoked_at, silo.pending_signatory_key = timezone.now(), None
    _move(silo, SiloState.REVOKED, "revoked_at", "pending_signatory_key")
    EnrolmentCode.objects.filter(silo=silo, used_at=None).update(expires_at=timezone.now())
    record(
        by=by,
        verb=verb,
        subject=silo,
        organisation_id=silo.organisation_id,
        detail={"signatory_dropped": dropped} if dropped else {},
    )
    notices.notify(notices.ORDERS, [silo.id])  # a poll that is held learns it now
    return silo


def _keys_of(silo: Silo) -> dict[str, str | None]:
    """The keys of a silo as an event names them."""
    return {
        "identity": silo.identity.key_id if silo.identity else None,
        "signatory": silo.signatory.key_id if silo.signatory else None,
    }


def _check_not_expired(silo: Silo) -> None:
    """Raise Conflict ``silo.presentation_expired`` where the connector presented itself too long ago."""
    if silo.enrolled_at is not None and silo.enrolled_at <= timezone.now() - UNCONFIRMED_FOR:
        raise Conflict(
            "silo.presentation_expired",
            "The connector presented itself more than a week ago. Make a new code, and enrol it again.",
        )


def _check_fingerprint(silo: Silo, reported: str) -> None:
    """Raise Conflict ``silo.fingerprint_mismatch`` unless this, in whatever spacing, names the silo's identity key."""
    if silo.identity is None or not is_fingerprint_of(silo.identity, reported):
        raise Conflict(
            "silo.fingerprint_mismatch",
            "This is not the fingerprint of the key that has presented itself. Don't confirm: ask the site.",
            "identity_fingerprint",
        )


def _check_documents(statement: bytes, certificate: bytes) -> tuple[EnrolmentStatement, SiloCertificate]:
    """Both documents, each verified under the key that it names, and agreeing with each other."""
    if len(certificate) > CERTIFICATE_LENGTH_MAX:  # else no job could have the silo, and no launch say why
        message = f"A certificate has at most {CERTIFICATE_LENGTH_MAX} characters with its envelope."
        raise Invalid("certificate.too_large", message, "certificate")
    identity = PublicKey.from_encoded(read(EnrolmentStatement, payload_unverified(statement)).identity_key)
    document = verify_document(EnrolmentStatement, statement, [identity])
    signatory = PublicKey.from_encoded(read(SiloCertificate, payload_unverified(certificate)).signatory_key)
    certified = verify_document(SiloCertificate, certificate, [signatory])
    if certified.identity_key != document.identity_key or certified.signatory_key != document.signatory_key:
        raise Invalid("certificate.other_key", "The certificate is for another silo's key.", "certificate")
    if not certified.not_before <= timezone.now() < certified.not_after:
        raise Invalid(
            "certificate.not_valid_now", "The certificate is not valid now. Certify the silo again.", "certificate"
        )
    return document, certified


def _check_movable(silo: Silo, to: SiloState) -> None:
    """Raise Conflict ``silo.wrong_state`` unless it may become this now."""
    if to not in TRANSITIONS[SiloState(silo.state)]:
        raise Conflict(
            "silo.wrong_state",
            _("A silo that is %(now)s can't become %(then)s.") % {"now": SiloState(silo.state).label, "then": to.label},
        )


def _move(silo: Silo, to: SiloState, *fields: str) -> None:
    _check_movable(silo, to)
    silo.state = to
    silo.save(update_fields=["state", *fields])
