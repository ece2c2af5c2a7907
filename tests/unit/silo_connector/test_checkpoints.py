"""Heads of audit chains: countersigned once, kept for ever, and a history that goes back or forks is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.documents import AuditCheckpoint, now, open_sealed, seal
from federation.protocol.envelope import peek
from federation.protocol.keys import PrivateKey
from silo_connector import identity, spool
from silo_connector.relay.heartbeat import bring_heads
from silo_connector.spool import Spool
from silo_connector.trainer.checkpoints import FILE, Kept, kept_checkpoints
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site

CHAIN = "consortium/0123456789abcdef0123456789abcdef"


def head(site: Site, position: int, digest: str = "a", key: PrivateKey | None = None, **changes: Any) -> dict[str, Any]:
    """A head as the platform shows it."""
    fields: dict[str, Any] = {"chain": CHAIN, "position": position, "digest": digest * 64, "made_at": now()}
    document: dict[str, Any] = json.loads(seal(AuditCheckpoint(**(fields | changes)), key or site.platform.key))
    return document


def show(site: Site, trainer: Trainer, *heads: Any) -> None:
    """The relay brings these, and the trainer looks."""
    bring_heads(Spool(site.config.spool), list(heads))
    trainer.look()


def signed(site: Site) -> list[AuditCheckpoint]:
    """What waits in the outbox, verified as signed by the silo."""
    key = identity.identity_key(site.config).public
    documents = [(folder / spool.DOCUMENT).read_bytes() for folder in sorted(site.outbox.glob("checkpoint-*"))]
    return [open_sealed(AuditCheckpoint, document, [key]) for document in documents]


def refusals(site: Site) -> list[str]:
    """The codes with which heads were refused, as the journal tells."""
    lines = (site.config.trainer_state / "journal.jsonl").read_text().splitlines()
    return [entry["code"] for entry in map(json.loads, lines) if entry["event"] == "checkpoint.refused"]


async def test_a_head_is_countersigned_over_the_same_bytes_and_kept(site: Site, trainer: Trainer) -> None:
    shown = head(site, 10)
    show(site, trainer, shown)
    (said,) = signed(site)
    assert (said.chain, said.position) == (CHAIN, 10)
    (folder,) = site.outbox.glob("checkpoint-*")
    assert peek((folder / spool.DOCUMENT).read_bytes()) == peek(json.dumps(shown).encode())
    assert kept_checkpoints(site.config.trainer_state) == {CHAIN: Kept(10, "a" * 64)}
    show(site, trainer, shown)
    assert len(signed(site)) == 1
    show(site, trainer, head(site, 11, "b"))
    assert sorted(one.position for one in signed(site)) == [10, 11]
    assert not refusals(site)


async def test_a_history_that_goes_back_or_forks_is_told_and_not_signed(site: Site, trainer: Trainer) -> None:
    show(site, trainer, head(site, 10))
    show(site, trainer, head(site, 9))
    show(site, trainer, head(site, 10, "b"))
    assert refusals(site) == ["checkpoint.goes_back", "checkpoint.forked"]
    assert len(signed(site)) == 1
    restarted = Trainer(site.config)
    restarted.start()
    show(site, restarted, head(site, 8))
    restarted.close()
    assert refusals(site)[-1] == "checkpoint.goes_back"
    assert kept_checkpoints(site.config.trainer_state) == {CHAIN: Kept(10, "a" * 64)}


async def test_nobody_else_can_show_a_head(site: Site, trainer: Trainer) -> None:
    show(site, trainer, head(site, 10, key=PrivateKey.generate()), "nonsense", {"payload": 1})
    assert refusals(site) == ["signature.invalid", "envelope.malformed", "envelope.malformed"]
    assert not signed(site)
    assert not (site.config.trainer_state / FILE).exists()


async def test_an_order_is_done_whatever_is_shown(site: Site, trainer: Trainer) -> None:
    (site.inbox / spool.CHECKPOINTS).mkdir()
    (site.inbox / spool.CHECKPOINTS / spool.HEADS).write_text("{")
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    assert site.submission(order).training is not None


async def test_a_damaged_file_is_no_reason_to_begin_anew(site: Site, trainer: Trainer) -> None:
    show(site, trainer, head(site, 10))
    (site.config.trainer_state / FILE).write_text("{")
    with pytest.raises(Invalid) as caught:
        kept_checkpoints(site.config.trainer_state)
    assert caught.value.code == "checkpoints.unreadable"
    show(site, trainer, head(site, 12))
    assert len(signed(site)) == 1
