"""The platform's real processes with silos whose relays are real and whose trainers are dummies."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from demo.coordinator import Coordinator, choose_port
from demo.home import Home
from demo.processes import Child, family, stop_together
from demo.services import PYTHONPATH, ROOT, Services

if TYPE_CHECKING:
    from tests.support.federation import Federation


QUIET = {"LOG_LEVEL": "WARNING", "SIGN_IN_TOTP_REQUIRED": "false", "CONNECTIONS_PER_ADDRESS_MAX": "20000"}
"""What is measured is pages and rounds: nobody shows a second factor for it, and everybody has one address."""


SILO_PROCESSES = frozenset({"relay", "dummies"})
"""What `Stack.processor_times_s` calls the processes of the silos; all others are the platform's."""


ENROLLED_WITHIN_S = 600.0


class Stack:
    """Everything a benchmark of the platform needs, running."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.logs.mkdir(parents=True, exist_ok=True)
        services = Services(folder)
        self.coordinator = Coordinator(self.home, services, choose_port([None]), QUIET)
        self.connectors: list[Child] = []
        self._peak_pss_mb: dict[str, float] = {}

    def start(self) -> None:
        """Services, schema, web, worker, beat; and Django in this process, on the same database."""
        self.coordinator.start_services()
        self.coordinator.migrate()
        self.coordinator.start_processes()
        os.environ.update(self.coordinator.environment())
        sys.path[:0] = PYTHONPATH.split(os.pathsep)
        import django

        django.setup()

    def enrol(self, silos: int) -> Federation:
        """A consortium with so many silos, made through the actions; their relays and dummy trainers run."""
        from silos.models import Silo
        from tests.support.federation import make_federation

        federation = make_federation(silos, "bench")
        folders = []
        for played in federation.silos:
            folder = self.home.silos / played.silo.organisation.slug
            (folder / "relay").mkdir(parents=True)
            (folder / "trainer").mkdir()
            played.transport.save(folder / "relay" / "transport.key")
            played.identity.save(folder / "identity.key")
            answer = {
                "silo_id": str(played.silo.id),
                "platform_keys": [{"key_id": "unused", "public_key": played.identity.public.encoded}],
            }
            (folder / "relay" / "enrolment.json").write_text(json.dumps(answer))
            (folder / "connector.toml").write_text(
                f'platform_url = "{self.coordinator.url}"\nplatform_key = "{self.coordinator.fingerprint}"\n'
                'spool = "spool"\ntrainer_state = "trainer"\nrelay_state = "relay"\n'
            )
            folders.append(folder)
        environment = self.coordinator.environment()
        command = [sys.executable, "-m", "silo_connector", "run", "relay", "--config"]
        self.connectors = [
            Child(
                f"relay-{place}",
                [*command, str(folder / "connector.toml")],
                self.home.log(f"relay-{place}"),
                environment,
                cwd=ROOT,
            )
            for place, folder in enumerate(folders)
        ]
        dummies = [sys.executable, "-m", "benchmarks.dummy_trainers", *map(str, folders)]
        self.connectors.append(Child("dummies", dummies, self.home.log("dummies"), environment, cwd=ROOT))
        for child in self.connectors:
            child.start()
        # a relay's start takes more processor time than many rounds: it is over before any are measured
        ids = [played.silo.id for played in federation.silos]
        wait_for(
            lambda: not Silo.objects.filter(id__in=ids, last_seen_at=None).exists(), ENROLLED_WITHIN_S, "all relays"
        )
        return federation

    def sample_memory(self) -> None:
        """Note what web and worker hold, each with its children, shared pages counted once (PSS)."""
        for child in (self.coordinator.web, self.coordinator.worker):
            assert child.pid is not None
            held = sum(_pss_mb(pid) for pid in family(child.pid))
            self._peak_pss_mb[child.name] = max(self._peak_pss_mb.get(child.name, 0.0), held)

    def take_peaks(self) -> dict[str, float]:
        """The peaks since the last call."""
        peaks, self._peak_pss_mb = self._peak_pss_mb, {}
        return {name: round(peak, 1) for name, peak in peaks.items()}

    def cpu_s(self, child: Child) -> float:
        """Processor time of a child and its children so far."""
        assert child.pid is not None
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in family(child.pid))

    def processor_times_s(self) -> dict[str, float]:
        """Processor time of every process with its children so far; the relays together."""
        spent: dict[str, float] = {}
        for child in [*self.coordinator.services.children, *self.coordinator.children, *self.connectors]:
            name = child.name.partition("-")[0]
            spent[name] = spent.get(name, 0.0) + self.cpu_s(child)
        return spent

    def check(self) -> None:
        """Raise DemoError when a process has ended by itself."""
        for child in [*self.coordinator.children, *self.connectors]:
            child.check()

    def stop(self) -> None:
        """End everything."""
        stop_together(self.connectors)
        stop_together(self.coordinator.children)
        self.coordinator.services.stop()


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """A stack for the length of the block."""
    stack = Stack(folder)
    try:
        stack.start()
        yield stack
    finally:
        from django.apps import apps

        if apps.ready:
            from django.db import connections

            connections.close_all()
        stack.stop()


def _pss_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        return 0.0
    return 0.0


def wait_for(condition: object, timeout_s: float, what: str) -> None:
    """Wait until a condition holds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.1)
