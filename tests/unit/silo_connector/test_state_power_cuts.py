"""Wherever a process ends that writes the trainer's state, the next start finds nothing older than its journal."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.keys import PrivateKey
from silo_connector import identity, journal
from silo_connector.cli import main
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.trainer.store.jobs import Jobs
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.state_check import compared
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector import test_platform_keys as keys
from tests.unit.silo_connector.runners import EXAMPLE
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import MEMORY, hand, put_back, remember, run_once
from tests.unit.silo_connector.test_checkpoints import ordered
from tests.unit.silo_connector.test_signing import downloaded

WRITES: tuple[tuple[type, str], ...] = (
    (Journal, "add"),
    (Memory, "take"),
    (Memory, "finish"),
    (Memory, "note"),
    (Jobs, "allow"),
    (SafeDir, "write"),
    (SafeDir, "replace"),
    (SafeDir, "move"),
    (SafeDir, "sync"),
)
CUTS_MAX = 200
pytestmark = pytest.mark.slow


class PowerCut(BaseException):
    """The process ends here."""


class Cutting:
    """Ends the process before the n-th write; a write within another counts too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        for owner, name in WRITES:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            if self.left == 0:
                raise PowerCut
            self.left -= 1
            return real(*arguments, **options)

        return write


def train_and_countersign(site: Site) -> None:
    run_once(site)


def follow_the_platform_s_key(site: Site) -> None:
    run_once(site)


def command(*arguments: object) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        key = ["--key", str(site.folder / "signatory.key"), "--yes"]
        rows = [str(one) for one in arguments]
        given = [str(site.folder / one) if one.endswith(".json") else one for one in rows]
        assert main([*given, "--config", str(site.config.path), *(key if rows[0] != "suspend" else [])]) == 0

    return run


def certify(site: Site) -> None:
    identity.certify(site.config, PrivateKey.load(site.folder / "new.key"), "Org")


async def an_order_and_a_head(site: Site) -> None:
    manifest = site.job()
    site.deliver(site.order(manifest), manifest)
    hand(site, ordered(site, 10))


async def a_new_key(site: Site) -> None:
    keys.deliver(site, keys.NEW, keys.succession(site.platform.key, keys.NEW))


async def a_new_version(site: Site) -> None:
    downloaded(site).rename(site.folder / "new.json")


async def nothing(site: Site) -> None: ...


async def a_suspension(site: Site) -> None:
    command("suspend")(site)


async def no_pin(site: Site) -> None:
    """A person has removed it: the organisation has a new key."""
    (site.config.trainer_state / identity.SIGNATORY_PIN).unlink()
    identity.make_signatory("Org", site.folder / "new.key")


async def a_lost_memory(site: Site) -> None:
    await an_order_and_a_head(site)
    run_once(site)
    put_back(site, site.folder / "nothing", *MEMORY)


async def a_broken_journal(site: Site) -> None:
    await an_order_and_a_head(site)
    run_once(site)
    file = site.config.trainer_state / journal.FILE
    file.write_bytes(file.read_bytes().replace(b"order.allowed", b"order.alloved"))


@pytest.mark.parametrize(
    ("before", "does"),
    [
        (an_order_and_a_head, train_and_countersign),
        (a_new_key, follow_the_platform_s_key),
        (a_new_version, command("sign", "new.json")),
        (nothing, command("suspend")),
        (a_suspension, command("suspend", "--lift")),
        (nothing, command("approve", EXAMPLE, "--reviewer", "Ada", "--refuse")),
        (no_pin, certify),
    ],
    ids=["train", "platform key", "sign", "suspend", "lift", "approve", "certify"],
)
async def test_a_power_cut_between_any_two_writes_makes_nothing_older(
    site: Site, before: Callable[[Site], Awaitable[None]], does: Callable[[Site], None]
) -> None:
    run_once(site)
    await before(site)
    backup = remember(site)
    spool = remember_spool(site)
    for at in range(CUTS_MAX):
        put_everything_back(site, backup, spool)
        with pytest.MonkeyPatch.context() as patch:
            cutting = Cutting(patch, at)
            with contextlib.suppress(PowerCut):
                does(site)
            if cutting.left:
                break
        assert compared(site.config).older == [], f"after {at} writes"
    else:
        pytest.fail("it never came to its end")
    assert at > 2
    assert compared(site.config).older == []


@pytest.mark.parametrize("before", [a_lost_memory, a_broken_journal])
async def test_a_power_cut_while_a_person_accepts_leaves_it_locked_or_accepted(
    site: Site, before: Callable[[Site], Awaitable[None]]
) -> None:
    await before(site)
    backup, spool = remember(site), remember_spool(site)
    found = compared(site.config).older
    assert found
    for at in range(CUTS_MAX):
        put_everything_back(site, backup, spool)
        with pytest.MonkeyPatch.context() as patch:
            cutting = Cutting(patch, at)
            with contextlib.suppress(PowerCut):
                command("accept-state")(site)
            if cutting.left:
                break
        left = compared(site.config).older
        assert left == [] or left == [one for one in found if one in left], f"after {at} writes"
        if left:
            command("accept-state")(site)
            assert compared(site.config).older == []
    assert compared(site.config).older == []
    trainer = Trainer(site.config)
    trainer.start()
    assert not trainer.is_locked
    trainer.close()


def remember_spool(site: Site) -> Path:
    kept = site.folder / "spool.kept"
    shutil.copytree(site.config.spool, kept)
    return kept


def put_everything_back(site: Site, state: Path, spool: Path) -> None:
    for target, source in ((site.config.trainer_state, state), (site.config.spool, spool)):
        shutil.rmtree(target)
        shutil.copytree(source, target)
