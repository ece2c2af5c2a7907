"""The agreements that the own organisation has signed, as its trainer keeps them: never written by the network.

One file for each agreement in ``trainer_state/agreements``: the newest version that was signed here, the hashes of
those before it, and whether it is suspended. What is read is verified again with the pinned signatory's key.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from federation.agreements.signing import SignedAgreement, merge, open_agreement
from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol.documents import now
from federation.protocol.envelope import ENVELOPE_BYTES_MAX
from federation.protocol.keys import PublicKey
from silo_connector.folders import SafeDir
from silo_connector.instance import check_own

FOLDER = "agreements"
_SUFFIX = ".json"
_FILE_BYTES_MAX = 2 * ENVELOPE_BYTES_MAX
_MODE = 0o600


class SignedVersion(BaseModel):
    """A version that the own organisation signed, and when this trainer took it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    digest: str
    signed_at: AwareDatetime


class Suspension(BaseModel):
    """Since when, and why, nothing is done under an agreement here. The reason stays here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime
    reason: str = ""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    envelope: dict[str, Any]
    history: tuple[SignedVersion, ...]
    suspension: Suspension | None = None


@dataclass(frozen=True)
class StoredAgreement:
    """An agreement as it is kept: the newest version that was signed here, opened and verified."""

    signed: SignedAgreement
    sealed: bytes
    history: tuple[SignedVersion, ...]
    suspension: Suspension | None = None

    @property
    def digest(self) -> str:
        """The hash of the newest version."""
        return self.signed.digest

    @property
    def signed_at(self) -> datetime:
        """When this trainer took the newest version."""
        return self.history[-1].signed_at


class Store:
    """The folder with the agreements. A file is read again only when it has changed."""

    def __init__(self, state: Path, signatory: PublicKey) -> None:
        self._state = state
        self._path = state / FOLDER
        self._signatory = signatory
        self._known: dict[UUID, tuple[tuple[int, int, int], StoredAgreement]] = {}

    def ids(self) -> list[UUID]:
        """The agreements of which something is kept here."""
        found = []
        for file in sorted(self._path.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(ValueError):
                found.append(UUID(file.stem))
        return found

    def find(self, agreement_id: UUID) -> StoredAgreement | None:
        """What is kept of an agreement. Raises Invalid ``agreements.unreadable``."""
        try:
            found = self._file(agreement_id).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(agreement_id, str(error.strerror)) from error
        version = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = self._known.get(agreement_id)
        if known is None or known[0] != version:
            known = (version, self._read(agreement_id))
            self._known[agreement_id] = known
        return known[1]

    def known(self, agreement_id: UUID) -> StoredAgreement:
        """The same, where it has to be kept. Raises Invalid ``agreement.unknown`` too."""
        found = self.find(agreement_id)
        if found is None:
            kept = ", ".join(map(str, self.ids())) or "none"
            raise Invalid("agreement.unknown", f"Agreement {agreement_id} is not kept here; kept are: {kept}.")
        return found

    def install(self, sealed: bytes) -> StoredAgreement:
        """Keep a version that the own organisation has signed, as the newest; the same one again gains signatures.

        Raises Untrusted ``agreement.not_signed_by_us``, Invalid ``agreement.older`` (a newer version has been signed
        here) and ``agreement.conflict`` (another text of the same number has), and what ``open_agreement`` raises.
        """
        opened = open_agreement(sealed)
        if self._signatory.key_id not in opened.signed_by:
            raise Untrusted(
                "agreement.not_signed_by_us",
                f"The agreement does not carry the signature of your organisation's key {self._signatory.fingerprint}, "
                "which this trainer has pinned.",
            )
        agreement = opened.agreement
        with self._locked():
            before = self.find(agreement.agreement_id)
            this = SignedVersion(version=agreement.version, digest=opened.digest, signed_at=now())
            if before is None:
                kept = StoredAgreement(opened, sealed, (this,))
            elif before.digest == opened.digest:
                kept = StoredAgreement(opened, merge([before.sealed, sealed]), before.history, before.suspension)
            else:
                _check_newer(before, this)
                kept = StoredAgreement(opened, sealed, (*before.history, this), before.suspension)
            return self._write(agreement.agreement_id, kept)

    def suspend(self, agreement_id: UUID, reason: str) -> StoredAgreement:
        """Do nothing more under an agreement, from the next order on. Raises Invalid ``agreement.unknown``."""
        return self._change(agreement_id, Suspension(since=now(), reason=reason))

    def lift(self, agreement_id: UUID) -> StoredAgreement:
        """End a suspension. Raises Invalid ``agreement.unknown``."""
        return self._change(agreement_id, None)

    def _change(self, agreement_id: UUID, suspension: Suspension | None) -> StoredAgreement:
        with self._locked():
            before = self.known(agreement_id)
            return self._write(agreement_id, StoredAgreement(before.signed, before.sealed, before.history, suspension))

    def _read(self, agreement_id: UUID) -> StoredAgreement:
        try:
            with SafeDir.open(self._path) as folder:
                file = _File.model_validate_json(folder.read(f"{agreement_id}{_SUFFIX}", _FILE_BYTES_MAX))
            sealed = json.dumps(file.envelope, separators=(",", ":")).encode()
            opened = open_agreement(sealed)
        except ValidationError as error:
            raise self._unreadable(agreement_id, "it is not as it was written") from error
        except FederationError as error:
            raise self._unreadable(agreement_id, error.message) from error
        if self._signatory.key_id not in opened.signed_by:
            raise self._unreadable(agreement_id, "it is not signed with the key that is pinned here")
        named = file.history[-1].digest if file.history else None
        if (opened.agreement.agreement_id, opened.digest) != (agreement_id, named):
            raise self._unreadable(agreement_id, "it holds another agreement than it says")
        return StoredAgreement(opened, sealed, file.history, file.suspension)

    def _write(self, agreement_id: UUID, kept: StoredAgreement) -> StoredAgreement:
        file = _File(envelope=json.loads(kept.sealed), history=kept.history, suspension=kept.suspension)
        with SafeDir.open(self._path) as folder:
            folder.replace(f"{agreement_id}{_SUFFIX}", file.model_dump_json(indent=1).encode(), mode=_MODE)
        return self._read(agreement_id)

    def _file(self, agreement_id: UUID) -> Path:
        return self._path / f"{agreement_id}{_SUFFIX}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, by the user whose folder it is: the trainer must be able to read what is written."""
        check_own(self._state)
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _unreadable(self, agreement_id: UUID, reason: str) -> Invalid:
        return Invalid(
            "agreements.unreadable",
            f"{self._file(agreement_id)} can't be used: {reason}. Restore it from the backup of the trainer's state; "
            "or move it away, and sign the newest version again.",
        )


def _check_newer(before: StoredAgreement, this: SignedVersion) -> None:
    held = before.signed.agreement.version
    if this.version < held:
        raise Invalid(
            "agreement.older",
            f"Your organisation has signed version {held} of this agreement; version {this.version} is older, and this "
            "trainer does not go back.",
        )
    if this.version == held:
        raise Invalid(
            "agreement.conflict",
            f"Your organisation has signed another text as version {held} of this agreement ({before.digest}). Ask the "
            "platform's operator: a version's text never changes.",
        )
