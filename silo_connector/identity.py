"""The silo's identity and its organisation's word for it: keys, certificate, statement, pins (trainer side)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from federation.protocol import SPOKEN_VERSIONS, envelope
from federation.protocol.documents import EnrolmentStatement, SiloCertificate, now, read, sign_document, verify_document
from federation.protocol.keys import PrivateKey, PublicKey
from silo_connector import VERSION, spool
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.own_keys import (
    IDENTITY_KEY,
    PINNED,
    SIGNATORY_PIN,
    Signatory,
    identity_key,
    pinned_signatory,
)
from silo_connector.spool import Spool

__all__ = ["IDENTITY_KEY", "PINNED", "SIGNATORY_PIN", "Signatory", "identity_key", "pinned_signatory"]

CERTIFICATE_DAYS = 730


def card_of(key_file: Path) -> Path:
    """Where the public card of a signatory key lies: beside it."""
    return key_file.with_suffix(".json")


def make_signatory(organisation: str, key_file: Path) -> Signatory:
    """Make the organisation's signatory key and its public card."""
    key = PrivateKey.generate()
    key.save(key_file)
    signatory = Signatory(organisation, key.public)
    publish(card_of(key_file), signatory.to_json().encode())
    return signatory


def publish(path: Path, content: bytes) -> None:
    """Write what is no secret and is carried elsewhere: anyone who made it, the trainer's user must be able to read
    it.
    """
    path.write_bytes(content)
    path.chmod(0o644)


def capabilities(config: Config) -> dict[str, Any]:
    """What this connector can do, as reported to the platform: all that is found here by looking, by its name.

    Training plans are among the families only where something runs them.
    """
    from federation.agreements.decisions import PLAN
    from federation.learning.models import FAMILIES
    from federation.targets import TARGETS
    from silo_connector.trainer.kinds.registry import KINDS
    from silo_connector.trainer.protection import PROTECTIONS

    return {
        "protocols": list(SPOKEN_VERSIONS),
        "kinds": sorted(kind.name for kind in KINDS.values()),
        "protection": sorted(PROTECTIONS),
        "families": sorted(set(FAMILIES) - ({PLAN} if config.runner is None else set())),
        "targets": sorted(TARGETS),
        "payloads": sorted({payload for kind in KINDS.values() for payload in kind.payload_kinds()}),
    }


def prepare(config: Config) -> PublicKey:
    """Make the identity key if there is none, and present it where the signatory is known already."""
    config.trainer_state.mkdir(parents=True, exist_ok=True, mode=0o700)
    Spool(config.spool).make()
    key = PrivateKey.load_or_generate(config.trainer_state / IDENTITY_KEY)
    signatory = pinned_signatory(config)
    if signatory is not None:
        _write_statement(config, key, signatory)
    return key.public


def certify(config: Config, signatory_key: PrivateKey, organisation: str, days: int = CERTIFICATE_DAYS) -> bytes:
    """Certify this silo's own identity key and pin the signatory: for a signatory key on this machine."""
    certificate = issue_certificate(signatory_key, organisation, identity_key(config).public, days)
    install_certificate(config, certificate)
    return certificate


def issue_certificate(signatory_key: PrivateKey, organisation: str, identity: PublicKey, days: int) -> bytes:
    """The sealed certificate of an identity key, made where the signatory key is."""
    if not 1 <= days <= 3650:
        raise Invalid("certificate.invalid", "A certificate holds from 1 to 3650 days.")
    moment = now()
    certificate = SiloCertificate(
        organisation=organisation,
        signatory_key=signatory_key.public.encoded,
        identity_key=identity.encoded,
        not_before=moment - timedelta(minutes=5),
        not_after=moment + timedelta(days=days),
    )
    return sign_document(certificate, signatory_key)


def install_certificate(config: Config, sealed: bytes) -> Signatory:
    """Take a certificate of our identity key: check it, pin its signatory, present ourselves with it.

    Raises Invalid ``certificate.invalid`` when it is of another key or out of its time, ``signatory.pinned`` when
    another signatory is pinned already, and what ``verify_document`` raises.
    """
    from silo_connector.trainer.egress.filter import check_may_leave

    key = identity_key(config)
    claimed = read(SiloCertificate, envelope.payload_unverified(sealed))
    signatory = Signatory(claimed.organisation, PublicKey.from_encoded(claimed.signatory_key))
    certificate = verify_document(SiloCertificate, sealed, [signatory.key])
    if certificate.identity_key != key.public.encoded:
        raise Invalid("certificate.invalid", "The certificate is of another silo's identity key.")
    if not certificate.not_before <= now() < certificate.not_after:
        raise Invalid("certificate.invalid", "The certificate does not hold now; are the clocks right?")
    pinned = pinned_signatory(config)
    if pinned is not None and pinned.key != signatory.key:
        raise Invalid(
            "signatory.pinned",
            f"This trainer has pinned another signatory key ({pinned.key.fingerprint}). If your organisation really "
            f"has a new one, remove {config.trainer_state / SIGNATORY_PIN} first.",
        )
    check_may_leave(certificate)
    if pinned is None:  # in the journal first: another pin than its last is then one that was put back
        Journal.of(config).add(PINNED, signatory=signatory.key.key_id)
    with SafeDir.open(config.trainer_state) as state:
        state.replace(SIGNATORY_PIN, signatory.to_json().encode())
    with _enrolment_folder(config) as folder:
        folder.replace(spool.CERTIFICATE, sealed)
    _write_statement(config, key, signatory)
    return signatory


@dataclass(frozen=True)
class Presented:
    """The public keys with which the silo presents itself."""

    identity: PublicKey
    signatory: PublicKey


def presented(config: Config) -> Presented | None:
    """What lies in the spool for the enrolment, if there is something."""
    try:
        with SafeDir.open(config.spool / "outbox" / spool.ENROLMENT) as folder:
            sealed = folder.read(spool.STATEMENT, spool.SMALL_BYTES_MAX)
        statement = read(EnrolmentStatement, envelope.payload_unverified(sealed))
    except Invalid:
        return None
    return Presented(PublicKey.from_encoded(statement.identity_key), PublicKey.from_encoded(statement.signatory_key))


def has_certificate(config: Config) -> bool:
    """Whether there is a certificate to present."""
    return (config.spool / "outbox" / spool.ENROLMENT / spool.CERTIFICATE).exists()


def _write_statement(config: Config, key: PrivateKey, signatory: Signatory) -> None:
    from silo_connector.trainer.egress.filter import sign_if_allowed

    statement = EnrolmentStatement(
        identity_key=key.public.encoded,
        signatory_key=signatory.key.encoded,
        connector_version=VERSION,
        capabilities=capabilities(config),
        created_at=now(),
    )
    with _enrolment_folder(config) as folder:
        folder.replace(spool.STATEMENT, sign_if_allowed(statement, key))


def _enrolment_folder(config: Config) -> SafeDir:
    place = Spool(config.spool)
    place.make()
    with place.place("outbox") as outbox:
        return outbox.make_folder(spool.ENROLMENT)
