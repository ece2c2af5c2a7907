"""A silo's site for tests: folders, configuration, keys, a tiny dataset, and its processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from federation.protocol.datasets import DatasetDeclaration
from silo_connector import config as configuration
from silo_connector import identity
from silo_connector.config import Config
from silo_connector.relay.enrolling import enrol
from silo_connector.trainer.data import read_declaration
from tests.unit.silo_connector.fake_platform import FakePlatform

ROOT = Path(__file__).parents[3]
TINY = """
name = "tiny"
title = "Tiny"
header = true
columns = [
    { name = "a", type = "number" },
    { name = "b", type = "number" },
    { name = "y", type = "integer", minimum = 0, maximum = 1 },
]
steps = [{ step = "target", column = "y", positive = ">0" }]
[split]
method = "stratified_shuffle"
train_fraction = 0.66
seed = 43
[source]
path = "tiny.csv"
"""


@dataclass
class Site:
    """One silo on this machine."""

    folder: Path
    config: Config
    platform: FakePlatform

    @property
    def declaration(self) -> DatasetDeclaration:
        """The tiny dataset's."""
        return read_declaration(self.folder / "tiny.toml").declaration

    async def start(self, process: str, *more: str) -> asyncio.subprocess.Process:
        """Start the relay or the trainer as a real process."""
        arguments = ["-m", "silo_connector.cli", "run", process, "--config", str(self.config.path), *more]
        if process == "trainer":
            arguments.append("--allow-network")
        log = (self.folder / f"{process}.err").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with log:
            return await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=log, env=environment)


def make_site(folder: Path, platform: FakePlatform, more: str = "") -> Site:
    """Lay out a site; not enrolled yet."""
    rows = "\n".join(f"{i % 7},{(i * 3) % 5 - 2},{i % 2}" for i in range(60))
    (folder / "tiny.csv").write_text(f"a,b,y\n{rows}\n")
    (folder / "tiny.toml").write_text(TINY)
    text = f"""
        platform_url = "{platform.url}"
        platform_key = "{platform.key.public.fingerprint}"
        spool = "spool"
        trainer_state = "trainer"
        relay_state = "relay"
        {more}
        [[dataset]]
        declaration = "tiny.toml"
    """
    (folder / "connector.toml").write_text(text)
    return Site(folder, configuration.load(folder / "connector.toml"), platform)


async def enrolled(site: Site) -> Site:
    """Keys, certificate, enrolment."""
    signatory_file = site.folder / "signatory.key"
    identity.make_signatory("Org", signatory_file)
    identity.prepare(site.config)
    identity.certify(site.config, identity.PrivateKey.load(signatory_file), "Org")
    await enrol(site.config, site.platform.code)
    return site


async def kill(process: asyncio.subprocess.Process) -> None:
    """End it as a power cut would."""
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.wait()
