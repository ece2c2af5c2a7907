"""A trainer's state that somebody puts back: the whole of it or one store, older than the journal beside it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from federation.protocol.documents import CheckpointOrder, Order, sign_document
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.journal import FILE as JOURNAL
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site

MEMORY = ("trainer.sqlite",)
OLDER = "trainer.state_older"


def remember(site: Site, name: str = "backup") -> Path:
    """A backup of the state as it is now; no trainer has it open."""
    backup = site.folder / name
    shutil.copytree(site.config.trainer_state, backup)
    return backup


def put_back(site: Site, backup: Path, *names: str) -> None:
    """Put these back, as somebody does who has a backup and not the newest one: what it has not is gone."""
    for name in names:
        found = site.config.trainer_state / name
        if found.is_dir():
            shutil.rmtree(found)
        found.unlink(missing_ok=True)
        for rest in ("-wal", "-shm"):
            found.with_name(found.name + rest).unlink(missing_ok=True)
        if (backup / name).is_dir():
            shutil.copytree(backup / name, found)
        elif (backup / name).exists():
            shutil.copy(backup / name, found)


def put_all_back_but_the_journal(site: Site, backup: Path) -> None:
    """Every store of the backup, beside the journal as it is now."""
    names = {path.name for folder in (backup, site.config.trainer_state) for path in folder.iterdir()}
    put_back(site, backup, *sorted(names - {JOURNAL, "log"}))


def started(site: Site) -> Trainer:
    """A trainer, after a start on what is there now."""
    trainer = Trainer(site.config)
    trainer.start()
    trainer.process_inbox()
    return trainer


def run_once(site: Site) -> None:
    """A trainer starts, does all that waits, and ends."""
    started(site).close()


async def command(site: Site, *arguments: Any) -> int:
    """A command of silo IT's, with the site's configuration."""
    return await asyncio.to_thread(main, [*map(str, arguments), "--config", str(site.config.path)])


def trained(site: Site, number: int, **changes: Any) -> Order:
    """An order of the job, done by a trainer that starts for it and ends."""
    manifest = changes.pop("manifest", None) or site.job()
    order = site.order(manifest, number=number, **changes)
    site.deliver(order, manifest)
    run_once(site)
    return order


def hand(site: Site, order: CheckpointOrder) -> CheckpointOrder:
    """The relay brings an order to countersign."""
    folder = site.config.spool / "tmp" / f"handed-{order.order_id}"
    folder.mkdir()
    (folder / spool.ORDER).write_bytes(sign_document(order, site.platform.key))
    folder.rename(site.inbox / str(order.order_id))
    return order
