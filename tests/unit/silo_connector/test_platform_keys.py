"""A new key of the platform: adopted where the pinned one vouches for it, and for good; anything else is refused."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order, PlatformKeySuccession, now, sign_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.cli.doctor import examine
from silo_connector.platform_keys import CHAIN_FILE, known_chain
from silo_connector.relay.enrolling import ENROLMENT_FILE
from silo_connector.trainer.orders.verification import RETIRED_KEY_LIFE
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.relays import relaying
from tests.unit.silo_connector.sites import Site

NEW, NEWER, STRANGER = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()

NUMBERS = itertools.count(1)


def succession(old: PrivateKey, new: PrivateKey, sequence: int = 1, **changes: Any) -> bytes:
    """The word of a key for its successor, a minute old."""
    fields = {
        "sequence": sequence,
        "predecessor": old.public.key_id,
        "public_key": new.public.encoded,
        "made_at": now() - timedelta(minutes=1) + timedelta(seconds=sequence),
    }
    return sign_document(PlatformKeySuccession.model_validate(fields | changes), old)


def deliver(
    site: Site, key: PrivateKey, *successions: bytes, manifest_key: PrivateKey | None = None, **changes: Any
) -> Order:
    """An order signed with this key lies in the inbox, with these successions."""
    manifest = site.job()
    sealed = sign_document(manifest, manifest_key or key)
    given: dict[str, Any] = {"number": next(NUMBERS), "manifest_digest": digest_bytes(sealed)}
    order = site.order(manifest, **(given | changes))
    made = site.deliver(order, manifest, key).rename(site.config.spool / "tmp" / "made")
    (made / spool.MANIFEST).write_bytes(sealed)
    if successions:
        (made / spool.SUCCESSIONS).write_text(json.dumps([json.loads(sealed) for sealed in successions]))
    made.rename(site.inbox / str(order.order_id))
    return order


def why_not(site: Site, order: Order) -> str | None:
    """The code with which an order was put aside."""
    return site.quarantined().get(str(order.order_id))


def adopted(site: Site) -> PrivateKey | None:
    """The key that the trainer's state says is the platform's now."""
    chain = known_chain(site.config.trainer_state)
    if chain is None:
        return None
    return next(key for key in (site.platform.key, NEW, NEWER, STRANGER) if key.public == chain.current)


async def test_the_trainer_follows_and_remembers(
    site: Site, trainer: Trainer, caplog: pytest.LogCaptureFixture
) -> None:
    old = site.platform.key
    before = deliver(site, old)
    trainer.process_inbox()
    site.submission(before)
    assert adopted(site) is None
    first = deliver(site, NEW, succession(old, NEW))
    trainer.process_inbox()
    site.submission(first)
    assert adopted(site) is NEW
    assert "platform_key.adopted" in caplog.text
    without = deliver(site, NEW)
    trainer.process_inbox()
    site.submission(without)
    restarted = Trainer(site.config)
    again = deliver(site, NEW)
    restarted.process_inbox()
    restarted.close()
    site.submission(again)


async def test_the_trainer_follows_two_key_rotations_at_once(site: Site, trainer: Trainer) -> None:
    old = site.platform.key
    order = deliver(site, NEWER, succession(old, NEW), succession(NEW, NEWER, 2))
    trainer.process_inbox()
    site.submission(order)
    assert adopted(site) is NEWER
    middle = deliver(site, NEW, issued_at=now() - timedelta(minutes=1))
    trainer.process_inbox()
    site.submission(middle)


async def test_another_platform_key_without_a_succession_is_refused(site: Site, trainer: Trainer) -> None:
    order = deliver(site, NEW)
    trainer.process_inbox()
    assert why_not(site, order) == "signature.invalid"


async def test_what_leads_elsewhere_than_to_the_signer_is_not_adopted(site: Site, trainer: Trainer) -> None:
    """Also a true succession: it is taken up when the new key first speaks."""
    order = deliver(site, STRANGER, succession(site.platform.key, NEW))
    gap = deliver(site, NEWER, succession(NEW, NEWER, 2))
    trainer.process_inbox()
    assert why_not(site, order) == why_not(site, gap) == "signature.invalid"
    assert adopted(site) is None


async def test_false_successions_are_refused_each_with_its_code(site: Site, trainer: Trainer) -> None:
    old = site.platform.key
    cases = {
        "succession.untrusted": [sign_document(PlatformKeySuccession.model_validate_json(_said(old, NEW)), STRANGER)],
        "succession.forked": [succession(old, NEW), succession(old, STRANGER)],
        "succession.goes_back": [succession(old, NEW, 2), succession(NEW, NEWER, 1)],
        "succession.malformed": [sign_document(site.job(), old)],
    }
    orders = {code: deliver(site, NEWER if "back" in code else NEW, *delivered) for code, delivered in cases.items()}
    trainer.process_inbox()
    assert {code: why_not(site, order) for code, order in orders.items()} == {code: code for code in cases}
    assert adopted(site) is None


def _said(old: PrivateKey, new: PrivateKey) -> str:
    return PlatformKeySuccession(
        sequence=1, predecessor=old.public.key_id, public_key=new.public.encoded, made_at=now()
    ).model_dump_json()


async def test_a_second_successor_after_the_first_was_adopted(site: Site, trainer: Trainer) -> None:
    """Anyone who steals the old key afterwards comes too late."""
    old = site.platform.key
    deliver(site, NEW, succession(old, NEW))
    trainer.process_inbox()
    forged = deliver(site, STRANGER, succession(old, STRANGER))
    trainer.process_inbox()
    assert why_not(site, forged) == "succession.forked"
    assert adopted(site) is NEW


@pytest.mark.parametrize("content", ["", "no json", "{}", "[1]", "[[]]", '["x"]', "x" * 70_000])
async def test_what_can_not_be_read_beside_an_order(site: Site, trainer: Trainer, content: str) -> None:
    order = deliver(site, NEW)
    (site.inbox / str(order.order_id) / spool.SUCCESSIONS).write_text(content)
    trainer.process_inbox()
    assert why_not(site, order) in ("succession.malformed", "spool.too_large")


async def test_the_chain_is_not_read_while_the_key_is_known(site: Site, trainer: Trainer) -> None:
    order = deliver(site, site.platform.key)
    (site.inbox / str(order.order_id) / spool.SUCCESSIONS).write_text("no json")
    trainer.process_inbox()
    site.submission(order)


async def test_the_old_key_speaks_for_what_it_had_issued(site: Site, trainer: Trainer) -> None:
    old = site.platform.key
    made_at = now() - timedelta(hours=1)
    deliver(site, NEW, succession(old, NEW, made_at=made_at))
    trainer.process_inbox()
    still_open = deliver(site, old, issued_at=made_at - timedelta(minutes=1))
    expired = deliver(site, old, issued_at=made_at - timedelta(minutes=1), expires_at=now())
    later = deliver(site, old, issued_at=made_at + timedelta(minutes=10))
    unreadable = deliver(site, old)
    folder = site.inbox / str(unreadable.order_id)
    content = json.loads(unreadable.model_dump_json()) | {"kind": "dance"}
    (folder / spool.ORDER).write_bytes(envelope.sign(json.dumps(content).encode(), Order.payload_type, old))
    trainer.process_inbox()
    site.submission(still_open)
    assert site.refusal(expired) == "order.expired"
    assert why_not(site, later) == "order.retired_key"
    assert why_not(site, unreadable) == "order.retired_key"


async def test_a_retired_key_does_not_write_its_own_dates_for_ever(site: Site, trainer: Trainer) -> None:
    """Anyone who has stolen it dates orders as they like: no honest one is open for longer than this."""
    old = site.platform.key
    made_at = now() - RETIRED_KEY_LIFE - timedelta(minutes=1)
    deliver(site, NEW, succession(old, NEW, made_at=made_at))
    trainer.process_inbox()
    back_dated = deliver(site, old, issued_at=made_at - timedelta(days=1), expires_at=now() + timedelta(days=999))
    trainer.process_inbox()
    assert why_not(site, back_dated) == "order.retired_key"


async def test_a_job_outlives_the_key_that_signed_its_manifest(site: Site, trainer: Trainer) -> None:
    old = site.platform.key
    made_at = now() - timedelta(days=300)
    order = deliver(site, NEW, succession(old, NEW, made_at=made_at), manifest_key=old)
    foreign = deliver(site, NEW, manifest_key=STRANGER)
    trainer.process_inbox()
    site.submission(order)
    assert site.refusal(foreign) == "manifest.untrusted"


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"root": "AAAA", "successions": []}', "cut", "changed", "gap"])
async def test_a_damaged_chain_is_no_chain_and_never_the_first_key_again(
    site: Site, trainer: Trainer, damage: str
) -> None:
    old = site.platform.key
    deliver(site, NEWER, succession(old, NEW), succession(NEW, NEWER, 2))
    trainer.process_inbox()
    file = site.config.trainer_state / CHAIN_FILE
    content = json.loads(file.read_text())
    if damage == "gap":
        damage = json.dumps(content | {"successions": content["successions"][1:]})
    if damage == "changed":
        damage = file.read_text().replace(old.public.encoded, STRANGER.public.encoded)
    file.write_text(file.read_text()[:100] if damage == "cut" else damage)
    with pytest.raises(Invalid) as caught:
        known_chain(site.config.trainer_state)
    assert caught.value.code == "platform_keys.unreadable"
    restarted = Trainer(site.config)
    restarted.process_inbox()
    assert not restarted.is_enrolled
    restarted.close()
    found = {finding.check: finding for finding in await examine(site.config, "trainer", None)}
    assert found["platform key"].state == "fail"


async def test_pinning_another_key_begins_again(site: Site, trainer: Trainer) -> None:
    """After a theft every silo compares a key by telephone again; what the stolen one vouched for counts no more."""
    deliver(site, STRANGER, succession(site.platform.key, STRANGER))
    trainer.process_inbox()
    assert adopted(site) is STRANGER
    again = _pinned_again(site, NEW)
    restarted = Trainer(again.config)
    by_thief, right = deliver(again, STRANGER), deliver(again, NEW)
    restarted.process_inbox()
    assert why_not(again, by_thief) == "signature.invalid"
    again.submission(right)
    deliver(again, NEWER, succession(NEW, NEWER, 7))
    restarted.process_inbox()
    restarted.close()
    assert adopted(again) is NEWER


async def test_pinning_a_key_of_the_chain_does_not_lead_back(site: Site, trainer: Trainer) -> None:
    old = site.platform.key
    deliver(site, NEWER, succession(old, NEW), succession(NEW, NEWER, 2))
    trainer.process_inbox()
    again = _pinned_again(site, NEW)
    restarted = Trainer(again.config)
    by_retired, right = deliver(again, NEW, issued_at=now() + timedelta(minutes=1)), deliver(again, NEWER)
    restarted.process_inbox()
    restarted.close()
    again.submission(right)
    assert why_not(again, by_retired) is None, "a minute after it was retired is within the clocks' tolerance"
    assert adopted(again) is NEWER


def _pinned_again(site: Site, key: PrivateKey) -> Site:
    """Another key in connector.toml, and the platform's answer shows it."""
    from silo_connector import config as configuration

    text = site.config.path.read_text()
    site.config.path.write_text(text.replace(site.config.platform_key, key.public.fingerprint))
    for file in (site.config.relay_state / ENROLMENT_FILE, site.inbox / spool.ENROLMENT / spool.RESPONSE):
        answer = json.loads(file.read_text())
        answer["platform_keys"] = [{"key_id": key.public.key_id, "public_key": key.public.encoded}]
        file.write_text(json.dumps(answer))
    return Site(site.folder, configuration.load(site.config.path), site.platform)


async def test_the_doctor_says_which_key_and_how_it_came(site: Site, trainer: Trainer) -> None:
    async def detail() -> str:
        return next(one.detail for one in await examine(site.config, "trainer", None) if one.check == "platform key")

    pinned = site.platform.key.public.fingerprint
    assert await detail() == f"{pinned}, as pinned in connector.toml"
    deliver(site, NEW, succession(site.platform.key, NEW))
    trainer.process_inbox()
    reported = await detail()
    assert reported.startswith(f"{NEW.public.fingerprint}, by succession 1 of ")
    assert reported.endswith(f"pinned: {pinned}")


async def test_the_relay_passes_on_what_it_can_not_judge(site: Site, platform: FakePlatform) -> None:
    platform.successions = [json.loads(succession(platform.key, NEW)), {"any": "thing"}]
    manifest = site.job()
    order_id = platform.issue(site.order(manifest), manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert json.loads(_beside(site, order_id).read_text()) == platform.successions


@pytest.mark.parametrize("successions", [["x" * 70_000], {"a": 1}, "x", 7, []])
async def test_the_relay_passes_on_nothing_beyond_its_bounds(
    site: Site, platform: FakePlatform, successions: Any
) -> None:
    platform.successions = successions
    manifest = site.job()
    order_id = platform.issue(site.order(manifest), manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert not _beside(site, order_id).exists()


def _beside(site: Site, order_id: str) -> Path:
    return site.inbox / order_id / spool.SUCCESSIONS
