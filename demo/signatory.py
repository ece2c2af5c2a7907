"""An organisation's signatory key on its own premises, used with the commands that its signatory would type."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.processes import run
from demo.services import ONE_THREAD, ROOT

SILO_CONNECTOR = str(Path(sys.executable).with_name("silo-connector"))


def connector_environment() -> Mapping[str, str]:
    """What a command or process on premises gets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **ONE_THREAD, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Signatory:
    """One organisation's key, in a folder of its own."""

    organisation: str
    folder: Path
    log: Path

    @property
    def key(self) -> Path:
        """The private half."""
        return self.folder / "signatory.key"

    @property
    def public_key(self) -> str:
        """The public half, base64."""
        return str(json.loads(self.key.with_suffix(".json").read_text())["public_key"])

    def make(self) -> None:
        """Make the key if there is none."""
        if not self.key.exists():
            self.folder.mkdir(mode=0o700, exist_ok=True, parents=True)
            self.command("key", "make", "--organisation", self.organisation, "--out", str(self.key))

    def sign(self, document: bytes, *more: str) -> bytes:
        """Sign an agreement as it was downloaded; what comes out is submitted by a person."""
        given, signed = self.folder / "agreement.json", self.folder / "agreement.signed.json"
        given.write_bytes(document)
        self.command("sign", str(given), "--key", str(self.key), "--export", str(signed), "--yes", *more)
        return signed.read_bytes()

    def command(self, *words: str) -> str:
        """Run `silo-connector` and return what it prints."""
        return run(
            [SILO_CONNECTOR, *words],
            environment=connector_environment(),
            log=self.log,
            what=f"`silo-connector {' '.join(words[:2])}` for {self.organisation}",
            cwd=self.folder.parent,
        )
