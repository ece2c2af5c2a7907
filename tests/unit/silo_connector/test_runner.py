"""Training plans in a real runner: the update is that of the family, bit for bit, whatever the loop does with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from federation.learning.weights import read_weights
from federation.plans.declaration import read_plan
from federation.protocol.documents import UPDATE, OrderKind
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.trainer.sandbox.remote import RunnerLost, session
from silo_connector.trainer.trainer import Trainer
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.runners import EXAMPLE, GOOD, Runner, agreed_to, job_of, reviewed, running, with_runner
from tests.unit.silo_connector.sites import ROOT, Site, kill


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as found:
        yield found


@pytest.fixture
def coding(site: Site, runner: Runner) -> Site:
    """A site that runs plans."""
    return with_runner(site, runner.socket)


def outcome(site: Site, manifest: Any, **changes: Any) -> Any:
    """What a trainer makes of one order."""
    trainer = Trainer(site.config)
    trainer.start()
    order = site.order(manifest, 0.25, **{"round": 2, **changes})
    site.deliver(order, manifest)
    trainer.process_inbox()
    trainer.close()
    file = site.payloads(order).get(UPDATE)
    weights = read_weights(file, manifest.layout) if file is not None else None
    return site.submission(order), weights


@pytest.mark.parametrize(
    "local",
    [
        {"steps": 9, "batch_size": 7, "learning_rate": 0.1},
        {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01},
        {"steps": 9, "batch_size": 8, "learning_rate": 0.01, "optimiser": "adam"},
        {"steps": 9, "batch_size": 64, "learning_rate": 0.1, "proximal_mu": 0.5},
    ],
)
async def test_a_plan_gives_the_family_s_update_bit_for_bit_and_its_metrics(
    coding: Site, local: dict[str, Any]
) -> None:
    plan = reviewed(coding, GOOD, "Ada")
    agreed_to(coding, plan)
    theirs, expected = outcome(coding, coding.job(local=local), number=1)
    ours, found = outcome(coding, job_of(coding, plan, local=local), number=2)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert ours.payloads == theirs.payloads
    assert ours.training == theirs.training
    assert ours.evaluation == theirs.evaluation


async def test_written_otherwise_it_gives_the_same_but_for_rounding(coding: Site) -> None:
    written = '    return features @ parameters["linear.weight"].T + parameters["linear.bias"]\n'
    plan = reviewed(coding, GOOD[: GOOD.rindex("    return")] + written, "Ada")
    agreed_to(coding, plan)
    _, expected = outcome(coding, coding.job(), number=1)
    _, found = outcome(coding, job_of(coding, plan), number=2)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


async def test_the_example_of_the_documentation_trains_and_is_evaluated(coding: Site) -> None:
    plan = reviewed(coding, EXAMPLE.read_text(), "Ada")
    agreed_to(coding, plan)
    submission, weights = outcome(coding, job_of(coding, plan, local={"steps": 50, "batch_size": 8}))
    assert submission.training is not None
    assert submission.evaluation is not None
    assert any(np.any(weight) for weight in weights.values())
    job = job_of(coding, plan, task="evaluate")
    submission, weights = outcome(coding, job, number=2, kind=OrderKind.EVALUATE, outputs={})
    assert (submission.training, weights) == (None, None)


async def test_the_journal_shows_which_code_ran_and_how_it_was_confined(coding: Site) -> None:
    plan = reviewed(coding, GOOD, "Ada")
    agreed_to(coding, plan)
    submission, _ = outcome(coding, job_of(coding, plan))
    (ran,) = [line for line in coding.journal() if line["event"] == "code.run"]
    assert (ran["code"], ran["order_id"]) == (plan.digest, str(submission.order_id))
    assert {"limits", "no new privileges"} <= set(ran["measures"])


async def test_the_doctor_looks_at_plans_and_runner(
    coding: Site, runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    async def found() -> dict[str, tuple[str, str]]:
        capsys.readouterr()
        await asyncio.to_thread(main, ["doctor", "--json", "--side", "trainer", "--config", str(coding.config.path)])
        findings = json.loads(capsys.readouterr().out)["findings"]
        return {one["check"]: (one["state"], one["detail"]) for one in reversed(findings)}

    plan = reviewed(coding, GOOD, "Ada")
    assert (await found())["plans"] == ("ok", "1 reviewed, 1 approved")
    state, detail = (await found())["runner"]
    assert (state, "limits" in detail) == ("ok", True) or (state, "without" in detail) == ("warn", True)
    text = coding.config.path.read_text()
    coding.config.path.write_text(text.replace(str(runner.socket), str(coding.folder / "nobody")))
    assert "can't be reached" in (await found())["runner"][1]
    coding.config.path.write_text(text)
    (coding.folder / "policy.toml").write_text("")
    coding.config.path.write_text(text.partition("[runner]")[0])
    assert (await found())["runner"] == ("warn", "There is none in connector.toml: no training plan is run.")
    folder = coding.config.trainer_state / "plans" / plan.digest.removeprefix("sha256:")
    (folder / "plan.py").write_text(GOOD + "# more\n")
    assert (await found())["plans"][0] == "fail"


async def test_policy_check_says_what_would_be_done_with_a_plan(
    coding: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    async def statement() -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["policy", "check", "--config", str(coding.config.path)]) == 0
        return capsys.readouterr().out

    plan = read_plan(GOOD.encode())
    agreed_to(coding, plan)
    coding.deliver(coding.order(manifest := job_of(coding, plan)), manifest)
    assert "no   agreement.code_review (code)" in await statement()
    reviewed(coding, GOOD, "Ada")
    assert "ok   It would be allowed." in await statement()
    text = coding.config.path.read_text()
    coding.config.path.write_text(text.partition("[runner]")[0])
    assert "no   code.no_runner" in await statement()
    (coding.folder / "policy.toml").write_text("")
    assert "no   policy.code" in await statement()


async def test_a_runner_that_has_no_session_free_is_asked_again(coding: Site) -> None:
    settings = coding.config.runner
    assert settings is not None
    plan = reviewed(coding, GOOD, "Ada")
    agreed_to(coding, plan)
    with contextlib.ExitStack() as busy:
        for _ in range(4):
            busy.enter_context(session(settings, 1.0))
        with pytest.raises(RunnerLost), session(settings, 1.0):
            pass
        ended = asyncio.get_running_loop().call_later(1.0, busy.pop_all().close)
        submission, _ = await asyncio.to_thread(outcome, coding, job_of(coding, plan))
        assert submission.payloads
        ended.cancel()


async def test_a_second_runner_on_the_same_socket_is_refused(runner: Runner) -> None:
    arguments = ["-m", "silo_connector", "run", "runner", "--config", str(runner.config)]
    second = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, statement = await asyncio.wait_for(second.communicate(), FAILS_AFTER_S)
    assert second.returncode == 1
    assert b"state.in_use" in statement
    assert runner.process.poll() is None


async def test_without_a_runner_configured_none_starts(site: Site) -> None:
    assert await asyncio.to_thread(main, ["run", "runner", "--config", str(site.config.path)]) == 1


@pytest.mark.slow
async def test_an_order_with_a_plan_becomes_a_submission_by_all_three_processes(
    coding: Site, platform: FakePlatform
) -> None:
    plan = reviewed(coding, GOOD, "Ada")
    agreed_to(coding, plan)
    relay, trainer = await coding.start("relay"), await coding.start("trainer")
    try:
        manifest = job_of(coding, plan)
        platform.issue(coding.order(manifest), manifest)
        await platform.until(lambda: platform.submissions)
        assert platform.answered().payloads
        status = json.loads((coding.config.spool / spool.STATUS).read_text())
        assert "plan" in status["capabilities"]["families"]
    finally:
        await kill(relay)
        await kill(trainer)
