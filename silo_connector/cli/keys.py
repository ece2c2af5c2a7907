"""``silo-connector key``: the signatory key of the organisation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.keys import PrivateKey, PublicKey
from silo_connector import config as configuration
from silo_connector import identity


def make(options: argparse.Namespace) -> int:
    """Make the signatory key."""
    signatory = identity.make_signatory(options.organisation, options.out)
    print(f"Signatory key of {signatory.organisation}: {options.out}")
    print(f"  public card: {identity.card_of(options.out)}")
    print(f"  public key:  {signatory.key.encoded}")
    print(f"  fingerprint: {signatory.key.fingerprint}")
    print("Keep the key offline and backed up: it speaks for the organisation.", file=sys.stderr)
    return 0


def certify(options: argparse.Namespace) -> int:
    """Certify an identity key: of the silo that is configured here, or of one elsewhere."""
    key = PrivateKey.load(options.key)
    organisation = options.organisation or _organisation(options.key, key.public)
    if (options.config is None) == (options.identity_key is None):
        raise Invalid("arguments", "Give either --config (the silo is here) or --identity-key (it is elsewhere).")
    if options.identity_key is not None:
        if options.out is None:
            raise Invalid("arguments", "Say with --out where the certificate goes.")
        identity_key = PublicKey.from_encoded(options.identity_key)
        identity.publish(options.out, identity.issue_certificate(key, organisation, identity_key, options.days))
        print(f"Certificate for {identity_key.fingerprint}: {options.out}")
        return 0
    config = configuration.load(options.config)
    identity.certify(config, key, organisation, options.days)
    print(f"{organisation} certifies the identity key {identity.identity_key(config).public.fingerprint}")
    print(f"  pinned signatory: {key.public.fingerprint}")
    return 0


def _organisation(key_file: Path, key: PublicKey) -> str:
    card = identity.card_of(key_file)
    if not card.exists():
        raise Invalid("arguments", f"{card} is not there: name the organisation with --organisation.")
    signatory = identity.Signatory.from_json(card.read_text())
    if signatory.key != key:
        raise Invalid("signatory.invalid", f"{card} is the card of another key.")
    return signatory.organisation
