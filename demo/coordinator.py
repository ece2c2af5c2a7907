"""The coordinator's side on this machine: database, broker, and the platform's web, worker and beat processes."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.home import Home
from demo.processes import Child, DemoError, run
from demo.redis_server import free_port
from demo.services import PYTHONPATH, ROOT, Services
from federation.protocol.keys import load_public

PORT = 8000
WEB_TIMEOUT_S = 300.0
QUEUES = "rounds,aggregation,housekeeping"
TOOLING = ("--settings", "tooling.settings")
"""For commands that a checkout has and no image."""
NOTIFICATIONS = "notifications"
"""The queue of what waits for other people's servers, and the process that works on it and on nothing else."""


_claims: list[socket.socket] = []


def choose_port(wished: Sequence[int | None]) -> int:
    """The first wished port of the loopback interface that is free, or any."""
    return next((port for port in wished if port is not None and _is_free(port) and _claim(port)), None) or free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claim(port: int) -> bool:
    """Whether no other demo on this machine is about to listen there: a name that ends with this process says so."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0consilience-demo-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


@dataclass
class Coordinator:
    """What a consortium's coordinator runs. Started in the order of `start_*`, stopped in the reverse."""

    home: Home
    services: Services
    port: int
    extra_environment: dict[str, str] = field(default_factory=dict)
    web: Child = field(init=False)
    worker: Child = field(init=False)
    notifications: Child = field(init=False)
    beat: Child = field(init=False)
    children: list[Child] = field(init=False, default_factory=list)

    @property
    def url(self) -> str:
        """Where people and connectors reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        """The platform key's fingerprint, as the enrolment page shows it."""
        return load_public(self.home.root / "keys" / "platform.pub")[0].fingerprint

    def start_services(self) -> None:
        """PostgreSQL and Redis."""
        self.services.start()
        settings = self.environment()
        self._write_environment(settings)

    def environment(self, *, with_signing_key: bool = False, as_owner: bool = False) -> dict[str, str]:
        """What the platform's processes get. The signing key is the worker's alone; only migrations own the tables."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        settings = {
            **kept,
            **self.services.environment(self.url),
            **({} if as_owner else {"DATABASE_URL": self.services.postgres.app_url()}),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PYTHONPATH": PYTHONPATH,
            "PYTHONUNBUFFERED": "1",
            "EMAIL_URL": self._emails(),
            **self.extra_environment,
        }
        if not with_signing_key:
            del settings["PLATFORM_SIGNING_KEY_FILE"]
        return settings

    def _emails(self) -> str:
        """E-mails become files: nobody's real mailbox hears of the demo."""
        self.home.emails.mkdir(exist_ok=True, mode=0o700)
        return self.home.emails.as_uri()

    def _write_environment(self, settings: dict[str, str]) -> None:
        """For anyone who wants to run a command beside the demo: `set -a; . platform.env; python manage.py …`."""
        path = self.home.root / "platform.env"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.writelines(f"{name}='{value}'\n" for name, value in settings.items() if name not in os.environ)

    def migrate(self) -> None:
        """The schema, as its owner, and what the others may do with it."""
        self.manage("migrate_and_grant", self.services.postgres.app_role, as_owner=True)

    def manage(
        self,
        *words: str,
        given: Any = None,
        timeout_s: float = 600.0,
        with_signing_key: bool = False,
        as_owner: bool = False,
    ) -> str:
        """Run a management command; `given` goes to it as JSON."""
        return run(
            [sys.executable, str(ROOT / "manage.py"), *words],
            environment=self.environment(with_signing_key=with_signing_key, as_owner=as_owner),
            log=self.home.log("manage"),
            what=f"`manage.py {words[0]}`",
            timeout_s=timeout_s,
            cwd=ROOT,
            given=None if given is None else json.dumps(given),
        )

    def start_processes(self) -> None:
        """Web, both workers and beat; returns once web answers."""
        environment = self.environment()
        self.web = self._child("web", self._web_command(), environment)
        celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
        self.worker = self._child(
            "worker",
            [*celery, "worker", "-Q", QUEUES, "--concurrency", "2", "--without-gossip", "--without-mingle"],
            self.environment(with_signing_key=True),
        )
        self.notifications = self._child(
            NOTIFICATIONS,
            [
                *(*celery, "worker", "-Q", NOTIFICATIONS, "--pool", "threads", "--concurrency", "2"),
                *("--hostname", f"{NOTIFICATIONS}@%h", "--without-gossip", "--without-mingle"),
            ],
            environment,
        )
        schedule = str(self.home.root / "beat-schedule")
        self.beat = self._child("beat", [*celery, "beat", "--schedule", schedule, "--pidfile="], environment)
        self.children = [self.web, self.worker, self.notifications, self.beat]
        for child in self.children:
            child.start()
        self._await_web()

    def _web_command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--loop", "uvloop"),
            *("--http", "realtime.connections:Connection"),
            *("--no-proxy-headers", "--no-access-log", "--timeout-graceful-shutdown", "5"),
        ]

    def _child(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        return Child(name, command, self.home.log(name), environment, cwd=ROOT)

    def _await_web(self) -> None:
        deadline = time.monotonic() + WEB_TIMEOUT_S
        while not self._answers():
            self.web.check()
            if time.monotonic() > deadline:
                raise DemoError("The web process does not answer.", self.web.log)
            time.sleep(0.1)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/api/v1/")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()
