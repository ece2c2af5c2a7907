"""The share of GPUs: each is limited before any work, none is seen with a share of 0, and the commands say which.

No machine that runs these tests need have one: what torch is shown is recorded, and what it sees is asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from federation.errors import Invalid
from federation.learning.devices import limit_gpu, visible_gpus
from silo_connector import gpus
from silo_connector.cli import main
from silo_connector.trainer import process
from tests.unit.silo_connector.runners import running
from tests.unit.silo_connector.sites import ROOT, Site, kill, make_site_again


@pytest.fixture
def policed(site: Site) -> Site:
    """A site with a policy."""
    (site.folder / "policy.toml").write_text("")
    site.config.path.write_text(f'policy = "policy.toml"\n{site.config.path.read_text()}')
    return make_site_again(site)


def test_every_gpu_is_limited_to_the_share_and_none_without_a_limit() -> None:
    limited: list[tuple[float, int]] = []
    process.bound_gpus(0.25, 3, lambda share, device: limited.append((share, device)))
    assert limited == [(0.25, 0), (0.25, 1), (0.25, 2)]
    process.bound_gpus(1.0, 3, lambda share, device: limited.append((share, device)))
    process.bound_gpus(0.25, 0, lambda share, device: limited.append((share, device)))
    assert len(limited) == 3


def test_a_gpu_that_can_not_be_limited_is_not_worked_with() -> None:
    def broken(share: float, device: int) -> None:
        raise RuntimeError("CUDA driver error: unknown\nin a file")

    with pytest.raises(Invalid, match=r"GPU 0 can't be limited .*: CUDA driver error: unknown\. .*gpu_share_max = 0"):
        process.bound_gpus(0.5, 1, broken)


def test_torch_takes_the_memory_share_that_is_set() -> None:
    """The call is torch's own; where there is no GPU it says so, and the trainer does not get that far."""
    import torch

    assert visible_gpus() == torch.cuda.device_count()
    if visible_gpus():
        gpus.limit_memory_to(0.5, visible_gpus(), limit_gpu)
    else:
        with pytest.raises((RuntimeError, AssertionError)):
            limit_gpu(0.5, 0)


def test_the_share_is_that_of_the_policy_and_none_while_it_can_not_be_read(policed: Site) -> None:
    shares = []
    for text in ("", "gpu_share_max = 0.5", "gpu_share_max = 0", "gpu_share_max = 7", "="):
        (policed.folder / "policy.toml").write_text(text)
        shares.append(process.share_of_gpus(policed.config))
    assert shares == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_torch_finds_no_gpu_in_an_environment_that_hides_them() -> None:
    code = "import torch; print(torch.cuda.device_count(), torch.cuda.is_available())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **gpus.HIDDEN}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["0", "False"]


@pytest.mark.slow
@pytest.mark.parametrize(("share", "hidden"), [("0", True), ("0.5", False)])
async def test_the_trainer_hides_them_before_it_begins_and_says_so(policed: Site, share: str, hidden: bool) -> None:
    (policed.folder / "policy.toml").write_text(f"gpu_share_max = {share}\n")
    trainer = await policed.start("trainer")
    log = policed.config.trainer_state / "log" / "trainer.jsonl"
    try:
        await policed.platform.until(lambda: log.exists() and "trainer.started" in log.read_text())
    finally:
        await kill(trainer)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    events = [line["event"] for line in lines]
    reported = next(line for line in lines if line["event"] == "gpu.share")
    assert events.index("gpu.share") < events.index("trainer.started")
    assert reported["share_max"] == float(share)
    assert reported["said"].startswith("No GPU is used") or not hidden


@pytest.mark.slow
def test_the_runner_sees_none_whatever_the_policy_says() -> None:
    with running() as runner:
        environment = Path(f"/proc/{runner.process.pid}/environ")
        if not os.access(environment, os.R_OK):
            pytest.skip("what can't be inspected can be read by root only")
        assert b"CUDA_VISIBLE_DEVICES=\0" in environment.read_bytes()


@pytest.mark.parametrize(
    ("share", "devices", "said"),
    [
        (0.0, 2, "No GPU is used: gpu_share_max = 0"),
        (0.5, 0, "No GPU is used: training runs on processors"),
        (1.0, 0, "No GPU is used: training runs on processors"),
        (0.5, 2, "at most 50% of the memory of each"),
        (1.0, 2, "no limit"),
    ],
)
def test_what_becomes_of_it_is_said_in_a_sentence(share: float, devices: int, said: str) -> None:
    assert said in gpus.gpu_share_text(share, devices)


async def test_the_commands_say_what_becomes_of_it_here(policed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (policed.folder / "policy.toml").write_text("gpu_share_max = 0.5\n")
    expected, config = gpus.gpu_share_text(0.5, visible_gpus()), str(policed.config.path)
    for command in (["policy", "check"], ["doctor", "--side", "trainer"]):
        assert await asyncio.to_thread(main, [*command, "--config", config]) == 0
        assert expected in capsys.readouterr().out
