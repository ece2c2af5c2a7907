"""A platform that holds its own key and turns against its silos: refused each time, nothing leaves, the journal
reports.

Every attack is in the table of docs/threat-model.md, and every row of the table names one of these
(test_threat_model.py).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order, OrderKind, Refusal, verify_document
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.identity import identity_key
from silo_connector.journal import verify
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector import agreed, hostile_agreements, hostile_code, hostile_jobs
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.hostile import ATTACKS, CANCER, honest, silo_of, with_cohort
from tests.unit.silo_connector.sites import Site, enrolled, kill, make_site

MODULES = (hostile_jobs, hostile_agreements, hostile_code)
"""Whose attacks are in the list: they enter themselves."""


def departures(site: Site, order: Order) -> list[dict[str, Any]]:
    """What the egress journal says has left for an order."""
    lines = (site.config.trainer_state / "egress.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["order_id"] == str(order.order_id)]


@pytest.fixture
async def site(tmp_path: Path, platform: FakePlatform) -> Site:
    """A site whose own policy is against nothing, so that it is not what refuses."""
    (tmp_path / "policy.toml").write_text('custom_code = "approved"\ndisclose_rule = true\n')
    return await enrolled(make_site(tmp_path, platform, 'policy = "policy.toml"'))


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_hostile_order_is_refused_and_journaled_and_nothing_leaves(
    site: Site, trainer: Trainer, name: str
) -> None:
    attack = ATTACKS[name]
    order = attack.play(site, trainer)
    trainer.process_inbox()
    refusal = site.outcome(order)
    assert isinstance(refusal, Refusal), "it was carried out"
    assert (refusal.code, refusal.rule) == (attack.code, attack.clause)
    folder = site.outbox / str(order.order_id)
    assert [file.name for file in folder.iterdir()] == [spool.DOCUMENT]
    (left,) = departures(site, order)
    assert (left["purpose"], left["digest"]) == ("document", digest_bytes((folder / spool.DOCUMENT).read_bytes()))
    assert not site.payloads(order)
    rows = [line for line in site.journal() if line.get("order_id") == str(order.order_id)]
    events = [line["event"] for line in rows]
    assert events in (["order.refused", "sent"], ["order.allowed", "order.refused", "sent"])
    assert ("order.allowed" in events) == (attack.code == "model.digest_mismatch"), "nothing was begun"
    assert (rows[-2]["code"], rows[-2]["clause"]) == (attack.code, attack.clause)
    verify(site.config.trainer_state)


@pytest.mark.parametrize("use", [{"category": "disease", "diseases": ["ICD-10:C34.1"]}])
async def test_what_was_agreed_is_done(site: Site, trainer: Trainer, use: dict[str, Any]) -> None:
    """All at their bounds: two organisations, certified; the purpose narrower; rounds, norm and cell as agreed."""
    site.agree(
        purposes=CANCER,
        cohort={"minimum_participants": 2, "minimum_rows": 60},
        training_limits={"rounds_max": 3, "update_norm_l2_max": 10},
        disclosure={"minimum_cell": 5},
    )
    limits = {"update_norm_l2_max": 10, "minimum_cell": 5}
    silo = silo_of(site, site.platform.partner)
    manifest = with_cohort(site, silo, quorum=2, rounds=3, use=use, limits=limits)
    honest(site, trainer, manifest)
    honest(site, trainer, manifest, 0.5, round=3)
    honest(site, trainer, manifest, 0.5, round=3, attempt=2)
    honest(site, trainer, manifest, 0.6, round=4, kind=OrderKind.EVALUATE, outputs={})


async def test_a_running_job_goes_on_under_the_old_version_where_its_terms_say_so(site: Site, trainer: Trainer) -> None:
    first = site.agree(amendment={"running_jobs": "continue"})
    manifest = site.job()
    honest(site, trainer, manifest)
    site.agree(version=2, agreement_id=agreed.opened(first).agreement_id)
    site.platform.agreement = first
    honest(site, trainer, manifest, 0.5, round=2)
    restarted = Trainer(site.config)
    honest(site, restarted, manifest, 0.6, round=3)
    restarted.close()


async def test_a_replayed_order_gets_the_same_bytes_and_nothing_is_done(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = honest(site, trainer, manifest)
    honest(site, trainer, manifest, 0.5, round=2)
    before = (site.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes()
    allowed = [line for line in site.journal() if line["event"] == "order.allowed"]
    site.store.suspend(site.store.ids()[0], "")
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert (site.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes() == before
    assert [line for line in site.journal() if line["event"] == "order.allowed"] == allowed


async def test_only_agreed_figures_leave_and_none_about_a_cell_smaller_than_agreed(
    site: Site, trainer: Trainer
) -> None:
    site.agree(disclosure={"metrics": ["accuracy"], "minimum_cell": 5})
    reported = site.submission(honest(site, trainer, site.job(limits={"update_norm_l2_max": 1e4, "minimum_cell": 5})))
    assert reported.evaluation is not None
    assert reported.training is not None
    assert set(reported.evaluation.figures) == {"accuracy"}
    assert reported.training.loss is None
    site.agree(disclosure={"minimum_cell": 22})
    reported = site.submission(honest(site, trainer, site.job(limits={"update_norm_l2_max": 1e4, "minimum_cell": 22})))
    assert reported.evaluation is not None
    assert (reported.evaluation.rows, reported.evaluation.figures, reported.evaluation.suppressed) == (0, {}, True)


@pytest.mark.slow
async def test_a_job_that_is_forced_past_the_platform_s_own_check_is_refused_by_a_real_silo(
    site: Site, platform: FakePlatform
) -> None:
    """Over the network, by a relay and a trainer as processes; beside it the suspension by the command line."""
    site.agree(purposes=CANCER)
    study = {"category": "disease", "diseases": ["ICD-10:C34"]}
    forced, good = site.job(use={"category": "methods"}), site.job(use=study)
    relay, trainer = await site.start("relay"), await site.start("trainer")
    try:
        platform.issue(site.order(forced), forced)
        await platform.until(lambda: len(platform.submissions) == 1)
        platform.issue(site.order(good, number=2), good)
        await platform.until(lambda: len(platform.submissions) == 2)
        suspend = ["suspend", "--config", str(site.config.path), "--reason", "a breach"]
        assert await asyncio.to_thread(main, suspend) == 0
        platform.issue(site.order(good, 0.5, number=3, round=2), good)
        await platform.until(lambda: len(platform.submissions) == 3)
    finally:
        await kill(relay)
        await kill(trainer)
    first, last = (
        verify_document(Refusal, json.dumps(platform.submissions[at]).encode(), [identity_key(site.config).public])
        for at in (0, 2)
    )
    assert (first.code, first.rule) == ("agreement.purpose", "purposes")
    assert first.message == "The job's purpose is not among those allowed: DS."
    assert (last.code, last.rule) == ("agreement.suspended", "amendment")
    assert platform.answered(1).payloads
    assert [line["code"] for line in site.journal() if line["event"] == "order.refused"] == [first.code, last.code]
    verify(site.config.trainer_state)
