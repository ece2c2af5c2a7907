"""A platform that is older than what a silo saw: reported, and countersigned again only on the organisation's word."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from federation.protocol.documents import LogAcceptance, Refusal, SiloState, verify_document
from silo_connector import identity
from silo_connector.cli import main
from silo_connector.config import load
from silo_connector.doctor.findings import Finding
from silo_connector.doctor.state import look_at_state
from silo_connector.trainer.store.audit_checkpoints import abandoned_heads, heads_seen, stored_heads
from silo_connector.trainer.store.log_breaks import FILE, OLDER, note_break, stored_breaks
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import command
from tests.unit.silo_connector.test_checkpoints import CHAIN, FORGED, TRUE, document, give, ordered, refused, signed


def seen(site: Site, trainer: Trainer) -> SiloState:
    """What the next heartbeat says, verified as signed by the silo."""
    sealed = json.dumps(trainer.seen.state).encode()
    return verify_document(SiloState, sealed, [identity.identity_key(site.config).public])


def found(site: Site) -> list[Finding]:
    """What the doctor says of the platform's log."""
    return [one for one in look_at_state(site.config) if one.check == "log"]


def noted(site: Site) -> list[dict[str, Any]]:
    """The journal's lines about a platform that is older."""
    return [line for line in site.journal() if line["event"] == OLDER]


async def test_the_highest_number_and_the_kept_heads_are_reported_signed(site: Site, trainer: Trainer) -> None:
    order = ordered(site, 10)
    give(site, trainer, order)
    statement = seen(site, trainer)
    assert (statement.highest_number, statement.platform_older) == (order.number, False)
    assert [(one.chain, one.position, one.digest) for one in statement.heads] == [(CHAIN, 10, TRUE.head(10).digest)]
    before = trainer.seen
    trainer.process_inbox()
    assert trainer.seen is before, "nothing is signed anew while nothing changes"


async def test_a_number_that_was_used_is_refused_with_the_highest(site: Site, trainer: Trainer) -> None:
    first = ordered(site, 10)
    again = ordered(site, 11, 10, number=first.number)
    give(site, trainer, first, again)
    parsed = verify_document(Refusal, document(site, again), [identity.identity_key(site.config).public])
    assert (parsed.code, parsed.highest_number) == ("order.number_reused", first.number)
    assert [line["highest_number"] for line in noted(site)] == [first.number]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_broken_log_is_signed_again_only_on_the_organisations_word(
    site: Site, trainer: Trainer, capsys: pytest.CaptureFixture[str], elsewhere: bool
) -> None:
    shorter, other = ordered(site, 8, log=FORGED), ordered(site, 12, 10, FORGED)
    give(site, trainer, ordered(site, 10), shorter, other)
    assert (refused(site, shorter), refused(site, other)) == ("checkpoint.goes_back", "checkpoint.forked")
    assert len(noted(site)) == 1, "a break is noted once"
    assert seen(site, trainer).platform_older
    (finding,) = found(site)
    assert "older than what this silo saw" in finding.detail
    key = site.folder / "signatory.key"
    if elsewhere:
        asked, word = site.folder / "asked.json", site.folder / "word.json"
        assert await command(site, "accept-log", "--request", asked) == 0
        away = ["accept-log", str(asked), "--key", str(key), "--export", str(word), "--yes"]
        assert await asyncio.to_thread(main, away) == 0
        assert await command(site, "accept-log", "--import", word) == 0
        assert await command(site, "accept-log", "--import", word) == 1, "it is good once"
    else:
        assert await command(site, "accept-log", "--chain", CHAIN, "--key", key, "--yes") == 0
    assert "restored from a backup" in " ".join(capsys.readouterr().out.split())
    state = site.config.trainer_state
    assert stored_heads(state) == {CHAIN: FORGED.head(12)}
    assert stored_breaks(state).unaccepted == {}
    assert (heads_seen(state)[CHAIN], abandoned_heads(state)[CHAIN]) == ({FORGED.head(12)}, {TRUE.head(10)})
    trainer.process_inbox()
    reported = seen(site, trainer)
    assert not reported.platform_older
    assert [one.position for one in reported.heads] == [12]
    (sealed,) = trainer.seen.acceptances
    word_ = verify_document(LogAcceptance, json.dumps(sealed).encode(), [site.signatory.public])
    assert (word_.kept.position, word_.shown.position) == (10, 12)
    restarted = Trainer(load(site.folder / "connector.toml"))
    restarted.start()
    restarted.process_inbox()
    assert not restarted.is_locked, "the journal knows of the acceptance"
    same = ordered(site, 12, log=FORGED)
    give(site, restarted, same)
    assert signed(site, same).position == 12
    restarted.close()
    assert found(site) == []


async def test_a_strangers_key_accepts_nothing(site: Site, trainer: Trainer) -> None:
    give(site, trainer, ordered(site, 10))
    key = site.folder / "signatory.key"
    assert await command(site, "accept-log", "--key", key, "--yes") == 1, "there is nothing to accept"
    give(site, trainer, ordered(site, 9, 10))
    stranger = site.folder / f"{uuid4()}.key"
    assert await asyncio.to_thread(main, ["key", "make", "--organisation", "Other", "--out", str(stranger)]) == 0
    assert await command(site, "accept-log", "--key", stranger, "--yes") == 1
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}


def test_a_break_that_version_0_1_wrote_is_still_one(tmp_path: Path) -> None:
    note_break(tmp_path, CHAIN, TRUE.head(10), FORGED.head(12))
    noted = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({"standing": noted.pop("unaccepted"), **noted}))
    assert stored_breaks(tmp_path).unaccepted[CHAIN].kept == TRUE.head(10)
