"""A real runner for tests, and plans that a site's own people have approved."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from federation.plans.declaration import Plan, read_plan
from federation.plans.reviews import sign_review
from federation.protocol.documents import CodeReview, Manifest, now
from silo_connector.plans import PlanStore
from tests.support.fences import is_missing
from tests.support.patience import attempts
from tests.unit.silo_connector.sites import ROOT, Site, make_site_again

EXAMPLE = ROOT / "docs" / "examples" / "logistic_plan.py"
DECLARED = """
import torch
PLAN = {
    "interface": 1,
    "title": "A plan",
    "parameters": [
        {"name": "linear.weight", "shape": [1, "n_features"]},
        {"name": "linear.bias", "shape": [1]},
    ],
}
"""
PREDICT = """
def predict(parameters, features):
    return torch.nn.functional.linear(features, parameters["linear.weight"], parameters["linear.bias"])
"""
GOOD = DECLARED + PREDICT
CPU_S = 4
MEMORY_BYTES = 512 << 20


@dataclass
class Runner:
    """A runner's process."""

    socket: Path
    process: subprocess.Popen[bytes]
    config: Path

    @property
    def log(self) -> str:
        """What it has said."""
        return self.config.with_name("runner.err").read_text()

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start it again, and wait until it takes connections."""
        times = self.log.count("runner.started")
        self.process = _started(self.config)
        self.wait(times + 1)

    def wait(self, times: int = 1) -> None:
        """Until it has said so often that it has started."""
        for _ in attempts("the runner has started"):
            if self.log.count("runner.started") >= times:
                break
            assert self.process.poll() is None, self.log


@contextlib.contextmanager
def running() -> Iterator[Runner]:
    """A runner in a folder with a short name: the path of a socket has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    config = folder / "connector.toml"
    config.write_text(
        'platform_url = "http://127.0.0.1:1"\nplatform_key = "' + "0" * 32 + '"\nspool = "s"\ntrainer_state = "t"\n'
        f'relay_state = "r"\n[runner]\nsocket = "x/runner.socket"\ncpu_s = {CPU_S}\nmemory_bytes = {MEMORY_BYTES}\n'
    )
    runner = Runner(folder / "x" / "runner.socket", _started(config), config)
    try:
        runner.wait()
        yield runner
    finally:
        runner.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _started(config: Path) -> subprocess.Popen[bytes]:
    with config.with_name("runner.err").open("ab") as log:
        arguments = ["-m", "silo_connector", "run", "runner", "--config", str(config)]
        return subprocess.Popen([sys.executable, *arguments], stderr=log, cwd=ROOT, env={"SECRET_OF_THE_HOUSE": "x"})


def with_runner(site: Site, socket: Path, answer_timeout_s: int = 30, order_timeout_s: int = 600) -> Site:
    """The site with a runner configured, and a policy that lets approved code run."""
    (site.folder / "policy.toml").write_text('custom_code = "approved"\ndisclose_rule = true\n')
    statement = (
        f'[runner]\nsocket = "{socket}"\nanswer_timeout_s = {answer_timeout_s}\norder_timeout_s = {order_timeout_s}\n'
    )
    text = site.config.path.read_text()
    site.config.path.write_text(f'policy = "policy.toml"\n{text}\n{statement}')
    return make_site_again(site)


def store(site: Site) -> PlanStore:
    """The site's own."""
    return PlanStore(site.config.trainer_state, site.signatory.public)


def reviewed(site: Site, source: str, *people: str, verdict: str = "approved") -> Plan:
    """A plan that people of the organisation have approved, or refused."""
    plan = read_plan(source.encode())
    for person in people:
        review = CodeReview.model_validate(
            {
                "code_digest": plan.digest,
                "signatory_key": site.signatory.public.encoded,
                "reviewer": person,
                "verdict": verdict,
                "reviewed_at": now(),
            }
        )
        store(site).keep(plan, sign_review(review, site.signatory))
    return plan


def agreed_to(site: Site, *plans: Plan, reviewers: int = 1, **changes: Any) -> None:
    """An agreement that names these plans."""
    work = {"families": ["logistic", "plan"]}
    code = {"digests": [plan.digest for plan in plans], "reviewers": reviewers}
    site.agree(**{"training_limits": work, "code": code, **changes})


def job_of(site: Site, plan: Plan, **changes: Any) -> Manifest:
    """A job that the plan computes."""
    return site.job(**{"model": plan.model, "code_digest": plan.digest, **changes})


@contextlib.contextmanager
def among_python_s_files() -> Iterator[Path]:
    """A folder among Python's files whose access would be noted, with a file in it and a link to that."""
    folder = Path(sysconfig.get_paths()["purelib"]) / f"probe_{uuid4().hex}"
    folder.mkdir(mode=0o755)
    (folder / "kept.py").write_text("one = 1")
    (folder / "kept.py").chmod(0o644)
    (folder / "link.py").symlink_to("kept.py")
    (folder / "kept.py").read_text()
    if (folder / "kept.py").stat().st_mtime > (folder / "kept.py").stat().st_atime:
        is_missing("access-times", "this file system notes no access at all")
    for path in (folder / "kept.py", folder / "link.py", folder):
        os.utime(path, (1, 2), follow_symlinks=False)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
