"""State that was put back or is partly lost, beside a journal that knows better: refused until a person confirms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from federation.errors import Invalid
from federation.protocol.documents import now
from federation.protocol.keys import PrivateKey
from silo_connector import identity
from silo_connector.cli.doctor import examine
from silo_connector.doctor.findings import State
from silo_connector.trainer import clock
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector import test_platform_keys as keys
from tests.unit.silo_connector.runners import EXAMPLE, reviewed
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import (
    MEMORY,
    OLDER,
    command,
    hand,
    put_back,
    remember,
    run_once,
    started,
    trained,
)
from tests.unit.silo_connector.test_checkpoints import CHAIN, FORGED, TRUE, ordered
from tests.unit.silo_connector.test_checkpoints import refused as refused_head
from tests.unit.silo_connector.test_signing import downloaded

Shown = pytest.CaptureFixture[str]


async def test_hostile_numbers_are_used_again_after_the_memory_was_put_back(site: Site) -> None:
    run_once(site)
    backup = remember(site)
    manifest = site.job()
    first = trained(site, 1, manifest=manifest)
    assert site.submission(first).number == 1
    (site.outbox / str(first.order_id)).rename(site.folder / "sent")
    put_back(site, backup, *MEMORY)
    other = site.order(manifest, number=1)
    site.deliver(first, manifest)
    site.deliver(other, manifest)
    run_once(site)
    assert site.refusal(first) == OLDER
    assert site.refusal(other) == OLDER
    assert [line["code"] for line in site.journal() if line["event"] == "order.refused"] == [OLDER, OLDER]


async def test_hostile_another_model_is_given_for_a_round_that_was_left_out(site: Site) -> None:
    manifest = site.job()
    trained(site, 1, manifest=manifest)
    backup = remember(site)
    site.submission(trained(site, 2, manifest=manifest, round=2, fill=0.25))
    put_back(site, backup, *MEMORY)
    assert site.refusal(trained(site, 3, manifest=manifest, round=2, fill=0.5)) == OLDER


async def test_hostile_a_forked_head_is_countersigned_after_the_kept_one_was_put_back(site: Site) -> None:
    hand(site, ordered(site, 10))
    run_once(site)
    backup = remember(site)
    hand(site, ordered(site, 12, 10))
    run_once(site)
    put_back(site, backup, "checkpoints.json")
    forked = hand(site, ordered(site, 12, 10, FORGED))
    run_once(site)
    assert refused_head(site, forked) == OLDER
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    (site.config.trainer_state / "checkpoints.json").unlink()
    begun_again = hand(site, ordered(site, 3, log=FORGED))
    run_once(site)
    assert refused_head(site, begun_again) == OLDER


async def test_hostile_an_older_agreement_is_taken_after_it_was_put_back(site: Site, capsys: Shown) -> None:
    older = site.platform.agreement
    assert older is not None
    backup = remember(site)
    file = downloaded(site, training_limits={"rounds_max": 1})
    assert await command(site, "sign", file, "--key", site.folder / "signatory.key", "--yes") == 0
    put_back(site, backup, "agreements")
    assert site.refusal(trained(site, 1)) == OLDER
    (site.folder / "older.json").write_bytes(older)
    for name in ("agreements", "nothing"):  # nor is it signed again, also where none is kept
        put_back(site, site.folder / name, "agreements")
        assert await command(site, "sign", site.folder / "older.json", "--key", site.folder / "signatory.key") == 1
        assert "agreement.older" in capsys.readouterr().err


def set_clock(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    monkeypatch.setattr(clock, "now", lambda: now() + off)


@pytest.mark.parametrize(("back", "code"), [(timedelta(days=3), "trainer.clock_back"), (timedelta(seconds=90), "x")])
async def test_hostile_a_clock_is_set_back_to_before_the_agreement_expired(
    site: Site, monkeypatch: pytest.MonkeyPatch, back: timedelta, code: str
) -> None:
    """Far back it is stated; a little, and the moment that was seen counts."""
    run_once(site)  # the journal has seen this moment
    site.agree(validity={"not_before": now() - timedelta(days=9), "not_after": now() - back / 2})
    set_clock(monkeypatch, -back)
    manifest = site.job()
    times = {"issued_at": now() - back - timedelta(seconds=60), "expires_at": now() + timedelta(days=1)}
    order = trained(site, 1, manifest=manifest, **times)
    assert site.refusal(order) == ("agreement.expired" if code == "x" else code)


async def test_hostile_a_clock_is_set_back_while_the_trainer_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = started(site)
    set_clock(monkeypatch, timedelta(days=5))
    trainer.process_inbox()
    monkeypatch.undo()
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "trainer.clock_back"
    trainer.close()
    later = trained(site, 2)
    assert site.refusal(later) == "trainer.clock_back", "a start forgets nothing"
    set_clock(monkeypatch, timedelta(days=5, minutes=1))
    site.submission(trained(site, 3, issued_at=now(), expires_at=now() + timedelta(days=9)))


async def lose_suspension(site: Site) -> tuple[str, ...]:
    assert await command(site, "suspend") == 0
    return ("agreements",)


async def lose_refusal_of_a_plan(site: Site) -> tuple[str, ...]:
    key = ("--key", site.folder / "signatory.key")
    assert await command(site, "approve", EXAMPLE, "--reviewer", "Bob", "--refuse", *key, "--yes") == 0
    return ("plans",)


async def lose_platform_key(site: Site) -> tuple[str, ...]:
    keys.deliver(site, keys.NEW, keys.succession(site.platform.key, keys.NEW), number=77)
    run_once(site)
    return ("platform-keys.json",)


async def lose_signatory(site: Site) -> tuple[str, ...]:
    (site.config.trainer_state / identity.SIGNATORY_PIN).unlink()
    identity.make_signatory("Org", site.folder / "new.key")
    identity.certify(site.config, PrivateKey.load(site.folder / "new.key"), "Org")
    return (identity.SIGNATORY_PIN,)


async def lose_memory(site: Site) -> tuple[str, ...]:
    (site.folder / "backup" / "trainer.sqlite").unlink()
    return MEMORY


async def lose_journal(site: Site) -> tuple[str, ...]:
    (site.folder / "backup" / "journal.jsonl").unlink()
    return ("journal.jsonl",)


async def shorten_journal(site: Site) -> tuple[str, ...]:
    file = site.folder / "backup" / "journal.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-3]))
    return ("journal.jsonl",)


async def lose_all_but_the_journal(site: Site) -> tuple[str, ...]:
    hand(site, ordered(site, 3))
    run_once(site)
    return (*MEMORY, "checkpoints.json", "agreements", "plans", "outcomes")


@pytest.mark.parametrize(
    "lose",
    [
        lose_suspension,
        lose_refusal_of_a_plan,
        lose_platform_key,
        lose_signatory,
        lose_memory,
        lose_journal,
        shorten_journal,
        lose_all_but_the_journal,
    ],
)
async def test_hostile_any_store_is_put_back_or_lost(
    site: Site, lose: Callable[[Site], Any], caplog: pytest.LogCaptureFixture
) -> None:
    reviewed(site, EXAMPLE.read_text(), "Ada")
    trained(site, 1)
    backup = remember(site)
    put_back(site, backup, *await lose(site))
    manifest = site.job()
    order = site.order(manifest, number=2)
    site.deliver(order, manifest)
    head = hand(site, ordered(site, 5))
    trainer = started(site)
    assert trainer.is_locked
    assert OLDER in caplog.text
    assert site.refusal(order) == OLDER
    assert refused_head(site, head) == OLDER
    trainer.process_inbox()
    trainer.close()
    again = site.order(manifest, number=3)
    site.deliver(again, manifest)
    run_once(site)
    assert site.refusal(again) == OLDER, "what is written while it is locked opens nothing"
    found = [one for one in await examine(site.config, "trainer", None) if one.check == "state"]
    assert {one.state for one in found} == {State.FAIL}
    assert "accept-state" in found[0].remedy


@pytest.mark.parametrize("stays", ["checkpoints.json", "agreements"])
@pytest.mark.parametrize("backup", ["backup", "nothing"])
async def test_hostile_memory_and_journal_are_put_back_together(site: Site, stays: str, backup: str) -> None:
    """To the same moment, or lost together: they fit, and what stayed beside them knows better."""
    manifest = site.job()
    hand(site, ordered(site, 8))
    trained(site, 1, manifest=manifest)
    remember(site)
    hand(site, ordered(site, 12, 8))
    if stays == "agreements":
        site.agree(agreement_id=uuid4())
    trained(site, 2, manifest=manifest, round=2, fill=0.25)
    others = {"checkpoints.json", "agreements"} - {stays}
    put_back(site, site.folder / backup, *MEMORY, "journal.jsonl", *others)
    again = trained(site, 3, manifest=manifest, round=2, fill=0.5)
    assert site.refusal(again) == OLDER
    assert await command(site, "accept-state", "--key", site.folder / "signatory.key", "--yes") == 0
    run_once(site)
    assert started(site).is_locked is False, "what was kept then is known from there on"


async def test_what_is_put_right_unlocks_it_by_itself(site: Site) -> None:
    trained(site, 1)
    earlier = remember(site, "earlier")
    trained(site, 2)
    newest = remember(site, "newest")
    put_back(site, earlier, *MEMORY)
    assert site.refusal(trained(site, 3)) == OLDER
    put_back(site, newest, *MEMORY)
    site.submission(trained(site, 4))


async def test_a_follower_of_a_locked_chain_adopts_no_key(site: Site) -> None:
    """The key that it adopted is forgotten; another successor of the old one is answered, and not adopted."""
    run_once(site)
    backup = remember(site)
    await lose_platform_key(site)
    put_back(site, backup, "platform-keys.json")
    other = keys.deliver(site, keys.NEWER, keys.succession(site.platform.key, keys.NEWER), number=78)
    trainer = started(site)
    assert site.refusal(other) == OLDER
    assert keys.adopted(site) is None
    trainer.close()
    assert [line["platform_key"] for line in site.journal() if line["event"] == "platform_key.adopted"] == [
        keys.NEW.public.key_id
    ]


async def test_the_state_of_version_0_1_0_is_not_older_than_its_journal(site: Site) -> None:
    """Recorded: its journal has neither numbers nor models, nor the signatory that was pinned."""
    recorded = Path(__file__).parents[2] / "fixtures" / "protocol_1_0"
    state = site.config.trainer_state
    put_back(site, recorded / "trainer", *(path.name for path in (recorded / "trainer").iterdir()))
    (state / "identity.key").write_bytes((recorded / "identity.pem").read_bytes())
    trainer = Trainer(site.config)
    trainer.start()
    assert not trainer.is_locked
    trainer.close()
    put_back(site, site.folder / "nothing", "checkpoints.json")
    trainer = Trainer(site.config)
    trainer.start()
    assert trainer.is_locked
    trainer.close()


async def test_a_store_that_can_not_be_read_is_named_with_what_to_do(site: Site, capsys: Shown) -> None:
    trained(site, 1)
    database, journal = site.config.trainer_state / "trainer.sqlite", site.config.trainer_state / "journal.jsonl"
    for name in ("trainer.sqlite-wal", "trainer.sqlite-shm"):
        (site.config.trainer_state / name).unlink(missing_ok=True)
    kept = database.read_bytes()
    database.write_bytes(b"no database at all" * 100)
    with pytest.raises(Invalid, match=r"trainer\.state_unreadable.*newest backup"):
        started(site)
    assert await command(site, "accept-state", "--key", site.folder / "signatory.key", "--yes") == 1
    assert "move the file away" in capsys.readouterr().err
    database.write_bytes(kept)
    journal.rename(site.folder / "elsewhere.jsonl")
    journal.symlink_to(site.folder / "elsewhere.jsonl")
    with pytest.raises(Invalid, match="is a symbolic link"):
        trained(site, 2)
