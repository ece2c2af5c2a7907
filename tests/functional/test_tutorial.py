"""The tutorial's own lines, as a reader copies them from the page, run against a live platform with a real token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from accounts.tokens import issue_token
from dashboards.tutorial import SCOPES
from tests.support.cohort import Cohort, browser, make_cohort
from tests.support.federation import TEST
from tests.support.live_platform import serving
from tests.support.patience import FAILS_AFTER_S, attempts
from training.engine import answers, closing, start
from training.models import Job, Order
from training.transitions import ENDED, OUTSTANDING

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort()


def lines_of(page: str, language: str) -> list[str]:
    """What the copy buttons of one language put on the clipboard, step by step."""
    return [
        unescape(text) for text in re.findall(rf'data-copy="([^"]*)" aria-label="Copy the lines for {language}"', page)
    ]


def play(cohort: Cohort) -> None:
    """Be the worker and the silos, until the job that somebody launches has ended."""
    for _ in attempts("somebody launches a job, and it ends"):
        job = Job.objects.first()
        if job is not None and job.state in ENDED:
            return
        if job is not None and job.state == Job.State.QUEUED:
            start.start(job_id=job.id, by=TEST)
        orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)) if job else []
        for order in orders:
            played = cohort.federation.played(order.silo_id)
            answers.answer(document=played.train(order, 0.5), by=played.silo)
        if orders:
            closing.close_step(step_id=orders[0].round_step.id, by=TEST)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_tutorial_does_what_it_says(cohort: Cohort, language: str, tmp_path: Path, settings: Any) -> None:
    _, secret = issue_token(
        user=cohort.scientist, name="tutorial", scopes=list(SCOPES), lifetime=timedelta(days=1), by=cohort.scientist
    )
    with serving() as port:
        settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
        page = browser(cohort.scientist).get("/tutorial/").content.decode()
        lines = lines_of(page, language)
        assert len(lines) == 5
        script = "\n".join(lines)
        command = ["bash", "-eu", "-o", "pipefail", "-c"] if language == "curl" else [sys.executable, "-c"]
        done: list[subprocess.CompletedProcess[str]] = []

        def follow_it() -> None:
            done.append(
                subprocess.run(
                    [*command, script],
                    cwd=tmp_path,
                    env={"PATH": os.environ["PATH"], "CONSILIENCE_TOKEN": secret},
                    capture_output=True,
                    text=True,
                    timeout=FAILS_AFTER_S,
                    check=False,
                )
            )

        reader = threading.Thread(target=follow_it)
        reader.start()
        play(cohort)
        reader.join(FAILS_AFTER_S)
    assert done[0].returncode == 0, done[0].stdout + done[0].stderr
    assert Job.objects.get().state == Job.State.COMPLETED
    weights = load_file(tmp_path / "model.safetensors")
    assert sum(array.size for array in weights.values()) == cohort.dataset.n_features + 1
