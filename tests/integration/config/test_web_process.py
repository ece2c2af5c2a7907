"""The web process as it is started in earnest, and what it refuses to start with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from demo.processes import Child
from demo.redis_server import free_port
from demo.services import PYTHONPATH, ROOT, Services
from tests.support.patience import until


def web(services: Services, folder: Path, **changes: str | None) -> Child:
    """Web with the variables of a platform, changed like this (None takes one out)."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = kept | services.environment("http://127.0.0.1") | {"PYTHONPATH": PYTHONPATH} | changes
    environment = {name: value for name, value in given.items() if value is not None}
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(free_port())]
    return Child("web", command, folder / "web.log", environment, cwd=ROOT)


def wait_until_up_or_ended(child: Child) -> str:
    """Start it, wait until it serves or has ended, stop it; what it said."""
    child.start()
    try:
        until(
            "web serves or has ended",
            lambda: not child.running or "Application startup complete" in child.log.read_text(),
        )
    finally:
        child.stop()
    return child.log.read_text()


def test_web_starts_without_a_signing_key(services: Services, tmp_path: Path) -> None:
    assert "Application startup complete" in wait_until_up_or_ended(
        web(services, tmp_path, PLATFORM_SIGNING_KEY_FILE=None)
    )


@pytest.mark.parametrize("name", ["PLATFORM_SIGNING_KEY_FILE", "PLATFORM_SIGNING_KEY_FILE_FILE"])
def test_web_refuses_to_start_with_a_signing_key_and_says_what_to_change(
    services: Services, tmp_path: Path, name: str
) -> None:
    key = str(services.folder / "keys" / "platform.key")
    child = web(services, tmp_path, **({"PLATFORM_SIGNING_KEY_FILE": None} | {name: key}))
    statement = wait_until_up_or_ended(child)
    assert child.returncode == 1
    assert "Application startup complete" not in statement
    last = statement.strip().splitlines()[-1]
    assert "must not hold the platform's signing key" in last
    assert "Take PLATFORM_SIGNING_KEY_FILE out of web's environment" in last
