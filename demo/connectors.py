"""A hospital's connector, set up with the commands that its own IT would type, and its two processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.hospitals import DECLARATION_NAME, Hospital
from demo.processes import Child, DemoError
from demo.services import ROOT
from demo.signatory import Signatory, connector_environment

EXAMPLE = ROOT / "silo_connector" / "examples" / "heart-disease.toml"
EXAMPLE_TITLE = "Heart disease, Cleveland Clinic Foundation"
EXAMPLE_SOURCE = "processed.cleveland.data"


@dataclass(frozen=True)
class Isolation:
    """How a process is started without a network on this machine."""

    words: tuple[str, ...]
    interfaces: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Whether the kernel lets us."""
        return bool(self.words)


def isolation() -> Isolation:
    """Try it: as root a network namespace, else one in a user namespace of our own.

    Some kernels put a tunnel into every new namespace; those (no route goes through them) are named, to be tolerated.
    """
    unshare = shutil.which("unshare")
    options = ("--net",) if os.geteuid() == 0 else ("--user", "--map-root-user", "--net")
    words = (unshare or "unshare", *options, "--")
    if unshare is not None:
        done = subprocess.run([*words, "cat", "/proc/net/dev"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            names = [line.partition(":")[0].strip() for line in done.stdout.splitlines() if ":" in line]
            return Isolation(words, tuple(name for name in names if name != "lo"))
    return Isolation((), ())


@dataclass
class Connector:
    """One silo's side: a folder as it would be on premises, a relay and a trainer."""

    hospital: Hospital
    folder: Path
    logs: Path
    isolation: Isolation
    relay: Child = field(init=False)
    trainer: Child = field(init=False)

    def __post_init__(self) -> None:
        allow = [] if self.isolation.possible else ["--allow-network"]
        name = self.hospital.key
        self.relay = self._process(f"relay-{name}", "relay", [], ())
        self.trainer = self._process(f"trainer-{name}", "trainer", allow, self.isolation.words)

    @property
    def configuration(self) -> Path:
        """What silo IT edits."""
        return self.folder / "connector.toml"

    @property
    def signatory(self) -> Signatory:
        """The hospital's own key, kept beside the connector here; in life it is in a safe."""
        log = self.logs / f"connector-{self.hospital.key}.log"
        return Signatory(self.hospital.organisation, self.folder / "signatory", log)

    @property
    def enrolled(self) -> bool:
        """Whether the platform has answered an enrolment."""
        return (self.folder / "relay" / "enrolment.json").exists()

    def _pinned(self) -> str | None:
        """The platform key that was pinned when it enrolled: it stays pinned, whatever has succeeded it."""
        return str(tomllib.loads(self.configuration.read_text())["platform_key"]) if self.enrolled else None

    def configure(self, platform_url: str, platform_fingerprint: str, records: Path) -> None:
        """Lay out the folder: the hospital's own records, their declaration, the configuration."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not (data / self.hospital.file).exists():
            shutil.copyfile(records / self.hospital.file, data / self.hospital.file)
        declaration = EXAMPLE.read_text()
        declaration = declaration.replace(EXAMPLE_TITLE, f"Heart disease, {self.hospital.organisation}")
        declaration = declaration.replace(EXAMPLE_SOURCE, self.hospital.file)
        (data / f"{DECLARATION_NAME}.toml").write_text(declaration)
        self.configuration.write_text(
            f'platform_url = "{platform_url}"\n'
            f'platform_key = "{self._pinned() or platform_fingerprint}"\n'
            f'organisation = "{self.hospital.organisation}"\n'
            'spool = "spool"\ntrainer_state = "trainer"\nrelay_state = "relay"\n\n'
            f'[[dataset]]\ndeclaration = "data/{DECLARATION_NAME}.toml"\n\n'
            f"[training]\nthreads = 1\ntolerated_interfaces = {json.dumps(self.isolation.interfaces)}\n"
        )

    def make_keys(self) -> None:
        """The organisation's signatory key, the silo's identity key, and the one's word for the other."""
        self.signatory.make()
        self._command("prepare", "--config", str(self.configuration))
        self._command("key", "certify", "--key", str(self.signatory.key), "--config", str(self.configuration))

    def sign(self, agreement: bytes) -> None:
        """The signatory signs on premises: the trainer keeps it, the relay carries the signature to the platform."""
        given = self.folder / "agreement.json"
        given.write_bytes(agreement)
        self._command(
            "sign", str(given), "--config", str(self.configuration), "--key", str(self.signatory.key), "--yes"
        )

    def run_plans(self) -> Child:
        """Let training plans run here, from the trainer's next start on: what runs them, a process of its own."""
        (self.folder / "runner").mkdir(exist_ok=True)
        (self.folder / "policy.toml").write_text('custom_code = "approved"\n')
        text = self.configuration.read_text()
        if "[runner]" not in text:
            self.configuration.write_text(f'policy = "policy.toml"\n{text}\n[runner]\nsocket = "runner/socket"\n')
        return self._process(f"runner-{self.hospital.key}", "runner", [], self.isolation.words)

    def approve(self, plan: Path, reviewer: str) -> None:
        """Somebody who has read a plan approves it on premises; the relay carries the review to the platform."""
        words = ("--config", str(self.configuration), "--key", str(self.signatory.key), "--reviewer", reviewer, "--yes")
        self._command("approve", str(plan), *words)

    def enrol(self, code: str) -> dict[str, str]:
        """Present the connector with a single-use code; returns the keys' fingerprints by role, for the telephone."""
        shown = self._command("enrol", "--config", str(self.configuration), "--code", code)
        found = dict(re.findall(r"^ +(identity|signatory) +([0-9a-f ]{39})$", shown, re.MULTILINE))
        if len(found) != 2:
            raise DemoError(f"The connector of {self.hospital.silo} shows no fingerprints of its keys.")
        return found

    def _command(self, *words: str) -> str:
        return self.signatory.command(*words)

    def _process(self, name: str, part: str, options: Sequence[str], wrapper: Sequence[str]) -> Child:
        return Child(
            name=name,
            command=[
                sys.executable,
                "-m",
                "silo_connector",
                "run",
                part,
                "--config",
                str(self.configuration),
                *options,
            ],
            log=self.logs / f"{name}.log",
            environment=connector_environment(),
            cwd=self.folder,
            wrapper=wrapper,
        )
