"""A silo's site for tests: folders, configuration, keys, a tiny dataset, and its processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.agreements.signing import open_agreement
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import (
    Agreement,
    Manifest,
    Order,
    Refusal,
    Submission,
    sign_document,
    verify_document,
)
from federation.protocol.keys import PrivateKey
from silo_connector import config as configuration
from silo_connector import identity, spool
from silo_connector.agreements import Store
from silo_connector.config import Config
from silo_connector.journal import Journal
from silo_connector.relay.enrolling import enrol
from silo_connector.trainer.data import read_declaration
from silo_connector.trainer.store.kept import KEEPING_VERSION
from tests.unit.silo_connector import agreed
from tests.unit.silo_connector.fake_platform import FakePlatform, weights_of

ROOT = Path(__file__).parents[3]
SIGNATORY = "signatory.key"
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

    @property
    def inbox(self) -> Path:
        """Where orders come in."""
        return self.config.spool / "inbox"

    @property
    def outbox(self) -> Path:
        """Where outcomes go out."""
        return self.config.spool / "outbox"

    def write_rows(self, count: int) -> None:
        """The data: so many rows of which half are ill."""
        rows = "\n".join(f"{i % 7},{(i * 3) % 5 - 2},{i % 2}" for i in range(count))
        partial = self.folder / "tiny.csv.new"
        partial.write_text(f"a,b,y\n{rows}\n")
        partial.replace(self.folder / "tiny.csv")

    def job(self, **changes: Any) -> Manifest:
        """A job that fits the data."""
        return self.platform.manifest(self.declaration.schema_digest, len(self.declaration.features()), **changes)

    def order(self, manifest: Manifest, fill: float = 0.0, **changes: Any) -> Order:
        """An order of that job, on a model that is filled with a number."""
        return self.platform.order(manifest, weights_of(manifest.layout, fill), **changes)

    def deliver(self, order: Order, manifest: Manifest, key: PrivateKey | None = None) -> Path:
        """Put an order into the inbox whole, as the relay does; signed by the platform if no other key is given."""
        key = key or self.platform.key
        folder = self.config.spool / "tmp" / f"delivered-{order.order_id}"
        folder.mkdir()
        (folder / spool.ORDER).write_bytes(sign_document(order, key))
        (folder / spool.MANIFEST).write_bytes(sign_document(manifest, key))
        if self.platform.agreement is not None:
            (folder / spool.AGREEMENT).write_bytes(self.platform.agreement)
        if order.model_digest is not None:
            (folder / spool.input_file("model")).write_bytes(self.platform.blobs[order.inputs["model"].digest])
        return folder.rename(self.inbox / str(order.order_id))

    def outcome(self, order: Order) -> Submission | Refusal:
        """What the trainer put into the outbox, verified."""
        sealed = (self.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes()
        keys = [identity.identity_key(self.config).public]
        if json.loads(sealed)["payloadType"] == Refusal.payload_type:
            return verify_document(Refusal, sealed, keys)
        return verify_document(Submission, sealed, keys)

    @property
    def signatory(self) -> PrivateKey:
        """The organisation's signatory key."""
        return PrivateKey.load(self.folder / SIGNATORY)

    @property
    def store(self) -> Store:
        """The agreements as the trainer keeps them."""
        return Store(self.config.trainer_state, self.signatory.public)

    def agree(self, *, keep: bool = True, by: Sequence[PrivateKey] | None = None, **changes: Any) -> bytes:
        """An agreement of the organisation and another one that both signed: the platform's jobs are under it now.

        `changes` are to its terms, or to the document itself (``version``, ``agreement_id``). Kept by the trainer
        unless stated otherwise.
        """
        of_document = {name: changes.pop(name) for name in list(changes) if name in Agreement.model_fields}
        statement = agreed.terms([self.signatory.public, self.platform.partner.public], **changes)
        document = agreed.agreement(self.platform.consortium_id, statement, **of_document)
        sealed = agreed.signed(document, *((self.signatory, self.platform.partner) if by is None else by))
        if keep:
            Journal(self.config.trainer_state).add(KEEPING_VERSION, agreement=open_agreement(sealed).digest)
            self.store.install(sealed)
        self.platform.agreement = sealed
        return sealed

    def journal(self) -> list[dict[str, Any]]:
        """What the trainer has written into its journal."""
        return [json.loads(line) for line in (self.config.trainer_state / "journal.jsonl").read_text().splitlines()]

    def refusal(self, order: Order) -> str:
        """The code with which the trainer said no."""
        outcome = self.outcome(order)
        assert isinstance(outcome, Refusal), outcome
        return outcome.code

    def payloads(self, order: Order) -> dict[str, Path]:
        """The files that the trainer keeps for its answer to an order, by the names of the payloads."""
        begin, end = f"{order.order_id}.", ".payload"
        files = (self.config.trainer_state / "outcomes").iterdir()
        return {file.name[len(begin) : -len(end)]: file for file in files if file.name.startswith(begin)}

    def submission(self, order: Order) -> Submission:
        """What the trainer did."""
        outcome = self.outcome(order)
        assert isinstance(outcome, Submission), outcome
        return outcome

    def quarantined(self) -> dict[str, str]:
        """The codes with which things were put aside, by their names there."""
        reasons = (self.config.spool / "quarantine").glob("*.reason.json")
        return {file.name.removesuffix(".reason.json"): json.loads(file.read_text())["code"] for file in reasons}

    def log(self, process: str) -> list[dict[str, Any]]:
        """What a process has logged."""
        state = {"relay": self.config.relay_state, "trainer": self.config.trainer_state}[process]
        return [json.loads(line) for line in (state / "log" / f"{process}.jsonl").read_text().splitlines()]

    async def start(self, process: str, *more: str) -> asyncio.subprocess.Process:
        """Start the relay or the trainer as a real process."""
        arguments = ["-m", "silo_connector", "run", process, "--config", str(self.config.path), *more]
        if process == "trainer":
            arguments.append("--allow-network")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / f"{process}.err").open("ab") as log:
            return await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=log, env=environment)


def make_site(folder: Path, platform: FakePlatform, more: str = "") -> Site:
    """Lay out a site; not enrolled yet."""
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
    site = Site(folder, configuration.load(folder / "connector.toml"), platform)
    site.write_rows(60)
    return site


def make_site_again(site: Site) -> Site:
    """The site with its configuration read again."""
    return Site(site.folder, configuration.load(site.config.path), site.platform)


async def enrolled(site: Site) -> Site:
    """Keys, certificate, enrolment."""
    signatory_file = site.folder / SIGNATORY
    identity.make_signatory("Org", signatory_file)
    identity.prepare(site.config)
    identity.certify(site.config, PrivateKey.load(signatory_file), "Org")
    await enrol(site.config, site.platform.code)
    site.agree()
    return site


async def kill(process: asyncio.subprocess.Process) -> None:
    """End it as a power cut would."""
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.wait()
