"""What signing on premises has in common: configuration, key, what was pinned, the file that goes elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.keys import PrivateKey
from silo_connector import config as configuration
from silo_connector import identity
from silo_connector.config import Config
from silo_connector.own_keys import Signatory

DEFAULT_CONFIG = Path("connector.toml")


def config_of(options: argparse.Namespace) -> Config | None:
    """The silo's configuration; None where what is signed goes elsewhere (`--export`) and none was named."""
    if options.config is None and options.export is not None:
        return None
    return configuration.load(options.config or DEFAULT_CONFIG)


def key_of(
    options: argparse.Namespace, config: Config | None, how_elsewhere: str
) -> tuple[PrivateKey, Signatory | None]:
    """The signatory key, and what the trainer has pinned of it, if there is one here.

    Raises Invalid ``arguments`` where no key is named (`how_elsewhere` says how to do without one here), and
    ``signatory.pinned`` or ``signatory.missing`` where it is not the one that the trainer believes.
    """
    file: Path | None = options.key or (None if config is None else config.signatory_key)
    if file is None:
        raise Invalid("arguments", f"Name the signatory key with --key. {how_elsewhere}")
    key = PrivateKey.load(file)
    pinned = None if config is None else pinned_in(config)
    if pinned is not None and pinned.key != key.public:
        raise Invalid(
            "signatory.pinned",
            f"This trainer has pinned the signatory key {pinned.key.fingerprint}; this is {key.public.fingerprint}.",
        )
    return key, pinned


def pinned_in(config: Config) -> Signatory:
    """The signatory that the trainer believes. Raises Invalid ``signatory.missing``."""
    pinned = identity.pinned_signatory(config)
    if pinned is None:
        raise Invalid(
            "signatory.missing",
            "This trainer has pinned no signatory key yet: run `silo-connector key certify` first (docs/silo-it.md).",
        )
    return pinned


def confirmed(word: str) -> bool:
    """Whether the person types this word when asked; without anybody to ask, no."""
    try:
        return input(f"Type {word} to sign: ").strip().lower() == word
    except EOFError:
        return False


def read(path: Path, size_max: int) -> bytes:
    """A file; of one that is too large a byte more than that, so that it is refused as such."""
    with path.open("rb") as stream:
        return stream.read(size_max + 1)


def export(sealed: bytes, path: Path, what: str, command: str, *, page: str) -> None:
    """Write what was signed where somebody can take it."""
    write_file(sealed, path)
    print(f"The signed {what}: {path}")
    print(f"Take it to the silo ({command} --import), or upload it on the {page}'s page.", file=sys.stderr)


def write_file(sealed: bytes, path: Path) -> None:
    """Write a file that is carried elsewhere, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(sealed + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.chmod(0o644)  # it is no secret, and the trainer's user must be able to read it
    partial.replace(path)
