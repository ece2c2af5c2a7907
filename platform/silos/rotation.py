"""What is done to the platform's signing key: it is passed on to a new one, which the old one signs.

In steps of which each may be the last before a crash: what is done again finds what was done, and goes on. Until the
new key is in the old one's place, at the very end, the old key is where it was.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from audit.actions import record
from audit.actors import Actor
from federation.errors import Invalid
from federation.protocol.documents import PlatformKeySuccession, now, sign_document
from federation.protocol.keys import PrivateKey, PublicKey, load_public, save_public
from rest.errors import Conflict
from silos.models import KeySuccession

PUBLIC_KEYS_MAX = 20
"""A connector reads so many keys in the answer to its enrolment."""


@dataclass(frozen=True)
class Rotated:
    """What has become of the keys."""

    succession: KeySuccession
    key: PublicKey
    retired_file: Path


def rotate(*, key_file: Path, public_file: Path, by: Actor) -> Rotated:
    """Hand the platform's key on. Raises Invalid ``key.unreadable``, Conflict ``key.succeeded``, and OSError."""
    old = PrivateKey.load(key_file)
    new_file = key_file.with_name(f"{key_file.name}.new")
    new = _kept(new_file) or _keep(PrivateKey.generate(), new_file)
    retired_file = key_file.with_name(f"{key_file.name}.retired-{old.public.key_id.removeprefix('ed25519:')[:16]}")
    retired = _kept(retired_file) or _keep(old, retired_file)
    if retired.public != old.public:
        raise Invalid("key.exists", f"{retired_file} holds another key than the one to be retired: move it elsewhere.")
    known = load_public(public_file) if public_file.exists() else (old.public,)
    save_public(public_file, known)  # better to find out now that it can't be written
    succession = _succeed(old, new.public, by)
    others = [key for key in known if key != new.public]
    save_public(public_file, [new.public, *others][:PUBLIC_KEYS_MAX])
    new_file.replace(key_file)
    _sync(key_file.parent)
    return Rotated(succession, new.public, retired_file)


def _succeed(old: PrivateKey, key: PublicKey, by: Actor) -> KeySuccession:
    with transaction.atomic():
        known = KeySuccession.objects.filter(predecessor=old.public.key_id).first()
        if known is not None and known.key_id != key.key_id:
            raise Conflict(
                "key.succeeded",
                f"The key {old.public.key_id} has a successor already, {known.key_id}, which was made elsewhere. Copy "
                "that key to this place; a key is never handed on twice.",
            )
        if known is not None:
            return known
        last = KeySuccession.objects.order_by("-sequence").first()
        statement = PlatformKeySuccession(
            sequence=last.sequence + 1 if last else 1,
            predecessor=old.public.key_id,
            public_key=key.encoded,
            made_at=now(),
        )
        succession = KeySuccession.objects.create(
            sequence=statement.sequence,
            predecessor=statement.predecessor,
            key_id=key.key_id,
            document=sign_document(statement, old),
            made_at=statement.made_at,
        )
        detail = {"predecessor": statement.predecessor, "key_id": key.key_id, "sequence": statement.sequence}
        record(by=by, verb="platform.key_rotated", subject=succession, detail=detail)
    return succession


def _kept(file: Path) -> PrivateKey | None:
    return PrivateKey.load(file) if file.exists() else None


def _keep(key: PrivateKey, file: Path) -> PrivateKey:
    """Write a key whole or not at all: a file that a crash cut off lies under another name, and was never used."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    key.save(partial)
    partial.replace(file)
    _sync(file.parent)
    return key


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
