"""A mode, a kind of order and a kind of payload of other people: one file each, carried by real relay and trainer."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.documents import Order
from federation.protocol.envelope import payload_unverified
from silo_connector.trainer.trainer import Trainer
from tests.support.plugins.added import OF_THE_SILO, add_parts
from tests.support.plugins.silo_kinds.words import WORDS
from tests.unit.silo_connector.addresses import grant
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.relays import relaying
from tests.unit.silo_connector.sites import Site

GREETED = {"mode": "greeted", "language": "en"}


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch, OF_THE_SILO)


def peeked(platform: FakePlatform) -> dict[str, Any]:
    """What the silo said last."""
    body: dict[str, Any] = json.loads(payload_unverified(json.dumps(platform.submissions[-1]).encode()))
    return body


def asked(site: Site, platform: FakePlatform, **changes: Any) -> Order:
    """An order that brings nothing, and asks for two payloads."""
    site.agree(protection=["greeted"])
    manifest = site.job(protection=GREETED)
    order = site.order(manifest, kind="greet", inputs={}, outputs={}, **changes)
    grants = {name: grant(order.order_id, name, "words.ascii") for name in WORDS}
    order = order.model_copy(update={"outputs": grants})
    platform.issue(order, manifest)
    return order


async def test_an_order_without_inputs_is_answered_with_two_payloads(
    added: None, site: Site, trainer: Trainer, platform: FakePlatform
) -> None:
    async with relaying(site):
        order = asked(site, platform)
        await platform.until(lambda: (site.inbox / str(order.order_id)).exists())
        assert not list((site.inbox / str(order.order_id)).glob("input-*"))
        trainer.process_inbox()
        await platform.until(lambda: platform.submissions)
    statement = platform.answered()
    assert (statement.kind, statement.model_digest) == ("greet", None)
    assert {name: (one.kind, one.size_bytes) for name, one in statement.payloads.items()} == {
        name: ("words.ascii", len(words)) for name, words in WORDS.items()
    }
    assert {bytes(platform.kept[one.digest]) for one in statement.payloads.values()} == set(WORDS.values())


async def test_an_update_leaves_under_the_added_mode(
    added: None, site: Site, trainer: Trainer, platform: FakePlatform
) -> None:
    site.agree(protection=["greeted"])
    manifest = site.job(protection=GREETED)
    order = site.order(manifest, outputs={})
    outputs = {"update": grant(order.order_id, "update", "masked.u32")}
    order = order.model_copy(update={"outputs": outputs})
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.submission(order).payloads["update"].kind == "masked.u32"


async def test_what_the_kind_of_payload_refuses_does_not_leave(
    added: None, site: Site, trainer: Trainer, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(import_module("silo_connector.trainer.kinds.words").WORDS, "greeting", b"patient 17\n")
    async with relaying(site):
        order = asked(site, platform)
        await platform.until(lambda: (site.inbox / str(order.order_id)).exists())
        trainer.process_inbox()
        await platform.until(lambda: platform.submissions)
    assert peeked(platform)["code"] == "egress.not_allowed"
    assert not platform.kept
    assert not list((site.config.trainer_state / "outcomes").iterdir())


def test_the_mode_is_not_known_without_its_file(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="masked, encrypted, clear"):
        site.job(protection=GREETED)
