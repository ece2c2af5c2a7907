"""``silo-connector prepare | enrol | fingerprints``: getting to know each other."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.keys import PrivateKey
from silo_connector import config as configuration
from silo_connector import identity
from silo_connector.config import Config
from silo_connector.enrolment import Enrolment


def prepare(options: argparse.Namespace) -> int:
    """Make the identity key and present it."""
    config = configuration.load(options.config)
    key = identity.prepare(config)
    print(f"Identity key of this silo: {key.encoded}")
    print(f"  fingerprint: {key.fingerprint}")
    if options.certificate is not None:
        signatory = identity.install_certificate(config, options.certificate.read_bytes())
        print(f"Certified by {signatory.organisation}; pinned signatory: {signatory.key.fingerprint}")
        print("Compare this fingerprint with whoever keeps your organisation's signatory key.", file=sys.stderr)
    elif identity.pinned_signatory(config) is None:
        print("Next, where the signatory key is; first line: on this machine, second: elsewhere", file=sys.stderr)
        print("  silo-connector key certify --key signatory.key --config connector.toml", file=sys.stderr)
        elsewhere = f'--identity-key "{key.encoded}" --out certificate.json'
        print(f"  silo-connector key certify --key signatory.key {elsewhere}", file=sys.stderr)
    return 0


def enrol(options: argparse.Namespace) -> int:
    """Enrol with a code; prepares and certifies first where the configuration names the signatory key."""
    from silo_connector.relay.enrolling import enrol as enrol_relay

    config = configuration.load(options.config)
    if config.signatory_key is not None:
        _prepare_here(config)
    code = sys.stdin.readline().strip() if options.code == "-" else options.code
    enrolment = asyncio.run(enrol_relay(config, code, again=options.again))
    print(f"Enrolled as {enrolment.silo or 'silo'} of {enrolment.organisation or 'your organisation'}.")
    _show(fingerprints_of(config))
    print(
        "An administrator of your organisation now compares these fingerprints and confirms the silo.", file=sys.stderr
    )
    print("Until then the relay sends nothing.", file=sys.stderr)
    return 0


def fingerprints(options: argparse.Namespace) -> int:
    """Show what is compared by telephone."""
    found = fingerprints_of(configuration.load(options.config))
    if options.json:
        print(json.dumps(found))
    else:
        _show(found)
    return 0


def fingerprints_of(config: Config) -> dict[str, str | None]:
    """Fingerprints by role, of what was presented or lies here; None where neither is to be seen."""
    from silo_connector.relay.enrolling import ENROLMENT_FILE, TRANSPORT_KEY

    presented = identity.presented(config)
    answer = config.relay_state / ENROLMENT_FILE
    return {
        "platform": config.platform_key,
        "signatory": presented.signatory.fingerprint if presented else None,
        "identity": presented.identity.fingerprint if presented else None,
        "transport": _fingerprint(config.relay_state / TRANSPORT_KEY),
        "silo_id": str(Enrolment.read(answer.read_bytes()).silo_id) if answer.exists() else None,
    }


def _fingerprint(file: Path) -> str | None:
    return PrivateKey.load(file).public.fingerprint if file.exists() else None


def _show(found: dict[str, str | None]) -> None:
    for role, text in found.items():
        print(f"  {role:<10} {text or '-'}")


def _prepare_here(config: Config) -> None:
    """On one machine: what the trainer's side would have done."""
    assert config.signatory_key is not None
    identity.prepare(config)
    if identity.pinned_signatory(config) is not None and identity.has_certificate(config):
        return
    key = PrivateKey.load(config.signatory_key)
    card = identity.card_of(config.signatory_key)
    organisation = config.organisation
    if organisation is None and card.exists():
        organisation = identity.Signatory.from_json(card.read_text()).organisation
    if organisation is None:
        raise Invalid("config.invalid", "connector.toml: organisation is missing.", "organisation")
    identity.certify(config, key, organisation)
