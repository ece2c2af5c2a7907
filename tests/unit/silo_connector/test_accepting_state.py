"""The organisation's word that a trainer goes on without what it lost: who gives it, and what holds then."""

from __future__ import annotations

import asyncio
import builtins
import json
from typing import Any
from uuid import uuid4

import pytest

from federation.protocol.documents import Order
from federation.protocol.envelope import ENVELOPE_BYTES_MAX, payload_type_of
from silo_connector import identity
from silo_connector.cli import main
from silo_connector.journal import verify
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from silo_connector.trainer.store.state_check import noted_head
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import (
    MEMORY,
    OLDER,
    command,
    hand,
    put_all_back_but_the_journal,
    put_back,
    remember,
    run_once,
    started,
    trained,
)
from tests.unit.silo_connector.test_checkpoints import CHAIN, FORGED, TRUE, ordered
from tests.unit.silo_connector.test_checkpoints import refused as refused_head

Shown = pytest.CaptureFixture[str]


async def older(site: Site) -> tuple[Any, Order]:
    """A state of which an order, a head and a suspension are lost; the job and the lost order."""
    manifest = site.job()
    trained(site, 1, manifest=manifest)
    backup = remember(site)
    lost = trained(site, 2, manifest=manifest, round=2)
    hand(site, ordered(site, 12))
    run_once(site)
    put_all_back_but_the_journal(site, backup)
    (site.outbox / str(lost.order_id)).rename(site.folder / "sent")
    return manifest, lost


async def accepted(site: Site, capsys: Shown, *, elsewhere: bool) -> None:
    key = site.folder / "signatory.key"
    if not elsewhere:
        assert await command(site, "accept-state", "--key", key, "--yes") == 0
    else:
        asked, signed = site.folder / "request.json", site.folder / "accepted.json"
        assert await command(site, "accept-state", "--request", asked) == 0
        away = ["accept-state", str(asked), "--key", str(key), "--export", str(signed), "--yes"]
        assert await asyncio.to_thread(main, away) == 0
        assert len(signed.read_bytes()) < ENVELOPE_BYTES_MAX
        assert "state-acceptance" in payload_type_of(signed.read_bytes())
        assert await command(site, "accept-state", "--import", signed) == 0
    assert "Older than the journal says:" in capsys.readouterr().out


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_person_confirms_and_what_was_lost_can_not_be_done_again(
    site: Site, capsys: Shown, elsewhere: bool
) -> None:
    manifest, lost = await older(site)
    trainer = started(site)
    assert trainer.is_locked
    await accepted(site, capsys, elsewhere=elsewhere)
    trainer.process_inbox()
    assert not trainer.is_locked, "the one that runs goes on by itself"
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(12)}
    replayed_job = site.order(manifest, number=50_001, round=2, fill=0.5)
    forked = hand(site, ordered(site, 12, 12, FORGED, number=50_002))
    other = site.job(job_id=uuid4())
    fresh, used = site.order(other, number=50_003), site.order(other, number=2)
    for order, job in ((lost, manifest), (replayed_job, manifest), (used, other), (fresh, other)):
        site.deliver(order, job)
    trainer.process_inbox()
    trainer.close()
    assert site.refusal(lost) == "order.number_lost"
    assert site.refusal(used) == "order.number_lost"
    assert site.refusal(replayed_job) == "job.state_lost"
    assert refused_head(site, forked) == "checkpoint.forked"
    site.submission(fresh)
    run_once(site)
    assert verify(site.config.trainer_state, noted_head(site.config)).lines == len(site.journal())
    (line,) = (line for line in site.journal() if line["event"] == "state.accepted")
    assert line["signatory"] == site.signatory.public.key_id
    backup = remember(site, "accepted")
    site.submission(trained(site, 50_010, manifest=other, round=2))
    put_back(site, backup, *MEMORY)
    assert site.refusal(trained(site, 50_011, manifest=other, round=3)) == OLDER, "it is good for once"


async def test_a_journal_that_is_broken_is_put_aside_with_the_acceptance(site: Site, capsys: Shown) -> None:
    manifest = site.job()
    first = trained(site, 1, manifest=manifest)
    file = site.config.trainer_state / "journal.jsonl"
    broken = file.read_text().replace("order.allowed", "order.alloved")
    file.write_text(broken)
    trainer = started(site)
    assert trainer.is_locked
    await accepted(site, capsys, elsewhere=False)
    (aside,) = site.config.trainer_state.glob("journal.jsonl.until-*")
    assert aside.read_text().startswith(broken)
    trainer.process_inbox()
    used, fresh = site.order(manifest, number=1), site.order(manifest, number=5, round=2)
    for order in (used, fresh):
        site.deliver(order, manifest)
    trainer.process_inbox()
    trainer.close()
    assert site.refusal(used) == "order.number_reused"
    site.submission(fresh)
    assert site.submission(first)
    assert await command(site, "journal", "verify") == 0
    run_once(site)
    site.submission(trained(site, 6, manifest=manifest, round=3))


async def test_only_the_organisation_accepts_and_only_what_it_was_shown(
    site: Site, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "input", lambda _: "yes")
    assert await command(site, "accept-state", "--key", site.folder / "signatory.key") == 1
    assert "state.not_older" in capsys.readouterr().err
    await older(site)
    stranger, asked, signed = site.folder / "stranger.key", site.folder / "request.json", site.folder / "signed.json"
    identity.make_signatory("Org", stranger)
    assert await command(site, "accept-state", "--key", stranger, "--yes") == 1
    assert "signatory.pinned" in capsys.readouterr().err
    assert await command(site, "accept-state", "--key", site.folder / "signatory.key") == 1
    assert "state.not_confirmed" in capsys.readouterr().err
    assert await command(site, "accept-state", "--request", asked) == 0
    away = ["accept-state", str(asked), "--export", str(signed), "--yes", "--key"]
    assert await asyncio.to_thread(main, [*away, str(stranger)]) == 1
    assert "state.other_key" in capsys.readouterr().err
    assert await asyncio.to_thread(main, [*away, str(site.folder / "signatory.key")]) == 0
    assert await command(site, "accept-state", "--import", signed) == 0
    assert await command(site, "accept-state", "--import", signed) == 1
    assert "state.changed" in capsys.readouterr().err
    forged = json.loads(signed.read_bytes()) | {"payload": json.loads(asked.read_bytes())["payload"][:-8]}
    signed.write_text(json.dumps(forged))
    assert await command(site, "accept-state", "--import", signed) == 1


async def test_an_acceptance_for_less_than_is_lost_now_is_refused(site: Site, capsys: Shown) -> None:
    await older(site)
    asked, signed = site.folder / "request.json", site.folder / "signed.json"
    assert await command(site, "accept-state", "--request", asked) == 0
    away = ["accept-state", str(asked), "--export", str(signed), "--yes", "--key", str(site.folder / "signatory.key")]
    assert await asyncio.to_thread(main, away) == 0
    put_back(site, site.folder / "nothing", *MEMORY)
    assert await command(site, "accept-state", "--import", signed) == 1
    assert "state.changed" in capsys.readouterr().err
    assert await command(site, "accept-state", str(asked)) == 1
