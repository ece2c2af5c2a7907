"""A PostgreSQL in which all migrations have run, made once a run; every process of the tests copies its folder.

Migrating takes ten seconds of work. The process that hands out the tests lets it be done here, in a process of its own,
while those that run them read the tests. What is tested of migrations begins with an empty database of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.postgres import Postgres
from demo.services import ONE_THREAD, PYTHONPATH, ROOT, Services, temporary_folder
from tests.support.patience import attempts

SECRETS = ("superuser", "role", "app")
NOT_DURABLE = "fsync = off\nfull_page_writes = off\n"


class Migrated:
    """The one cluster, while it is made and until all processes have ended."""

    def __init__(self) -> None:
        self.folder = temporary_folder("migrated")
        services = Services(self.folder, durable=False)
        services.postgres.prepare()
        for whose in SECRETS:  # before anybody copies them
            services.postgres._secret(whose)
        with (self.folder / "made.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self.folder)],
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": PYTHONPATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def remove(self) -> None:
        """At the end; also when the tests ended before it was made."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def migrated_folder(config: pytest.Config) -> Path | None:
    """Where all migrations have run or soon will have; None for a process that runs the tests alone."""
    reported: dict[str, str] = getattr(config, "workerinput", {})
    return Path(reported["migrated"]) if "migrated" in reported else None


def take_secrets(folder: Path, postgres: Postgres) -> None:
    """Give a server that has not begun the passwords of the one that will be copied: its address holds one of them."""
    postgres.prepare()
    for whose in SECRETS:
        shutil.copy(_postgres(folder) / f"{whose}.password", postgres.folder.resolve())


def take_cluster(folder: Path, postgres: Postgres) -> None:
    """Let this server, which has not begun, begin with all migrations. Waits until they have run."""
    take_secrets(folder, postgres)
    for _ in attempts("all migrations have run"):
        if (folder / "whole").exists():
            break
        assert not (folder / "failed").exists(), (folder / "made.log").read_text()
    data = postgres.folder.resolve() / "data"
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", str(_postgres(folder) / "data"), str(data)], check=True)
    if postgres.durable:
        settings = data / "postgresql.auto.conf"
        settings.write_text(settings.read_text().replace(NOT_DURABLE, ""))


def _postgres(folder: Path) -> Path:
    return (folder / "postgres").resolve()


def _make(folder: Path) -> None:
    """Start it, migrate, stop it."""
    services = Services(folder, durable=False)
    try:
        services.start()
        os.environ.update(services.environment("http://testserver"))
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        connections.close_all()
    finally:
        services.stop()


if __name__ == "__main__":
    here = Path(sys.argv[1])
    try:
        _make(here)
    except BaseException:
        (here / "failed").touch()
        raise
    (here / "whole").touch()
