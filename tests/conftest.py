"""Every test runs against a real PostgreSQL and a real Redis, started here before Django reads its settings.

Redis starts at once, PostgreSQL when the first test needs a database: both in one temporary folder, both stopped at
the end whatever happens. The network is blocked except for the loopback interface (pytest-socket, in pyproject.toml).
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps

from demo.postgres import Postgres
from demo.redis_server import RedisServer
from federation.protocol.keys import PrivateKey, save_public

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_DJANGO = tuple(ROOT / "tests" / "unit" / name for name in ("federation", "silo_connector", "demo"))


class Services:
    """The folder of this run, and the services in it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="consilience-tests-"))
        self.folder.chmod(0o711)  # PostgreSQL, as an unprivileged user, passes through it when the tests run as root
        self.postgres = Postgres(self.folder / "postgres", self.folder / "logs" / "postgres.log", durable=False)
        self.redis = RedisServer(self.folder / "redis", self.folder / "logs" / "redis.log")
        self.stopped = False

    def start_postgres(self) -> None:
        """Once, when a test needs it."""
        if self.postgres.child is None:
            self.postgres.start()

    def environment(self) -> dict[str, str]:
        """What the settings read; and one thread for torch, which reads that when it is first imported."""
        keys, blobs = self.folder / "keys", self.folder / "blobs"
        blobs.mkdir(exist_ok=True)
        platform_key = PrivateKey.load_or_generate(keys / "platform.key")
        save_public(keys / "platform.pub", [platform_key.public])
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PUBLIC_URL": "http://testserver",
            "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.redis.url,
            "BLOB_ROOT": str(blobs),
            "PLATFORM_PUBLIC_KEY_FILE": str(keys / "platform.pub"),
            "PLATFORM_SIGNING_KEY_FILE": str(keys / "platform.key"),
            "THROTTLE_USER": "100000/min",
            "THROTTLE_ANONYMOUS": "100000/min",
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }

    def stop(self) -> None:
        """Everything ends and the folder goes."""
        if not self.stopped:
            self.stopped = True
            self.redis.stop()
            self.postgres.stop()
            shutil.rmtree(self.folder, ignore_errors=True)


SERVICES = pytest.StashKey[Services]()


def pytest_configure(config: pytest.Config) -> None:
    """Start what the settings name, then let Django read them. Runs before pytest-django looks for settings."""
    services = Services()
    config.stash[SERVICES] = services
    atexit.register(services.stop)
    services.postgres.prepare()
    services.redis.start()
    os.environ.update(services.environment())


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Set Django up before the first test module that may use it. The library and the connector know nothing of it."""
    if not any(folder in module_path.parents for folder in WITHOUT_DJANGO) and not apps.ready:
        django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The end, reached also after an interrupt."""
    if services := config.stash.get(SERVICES, None):
        services.stop()


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Services:
    """This run's PostgreSQL and Redis, both up."""
    started = request.config.stash[SERVICES]
    started.start_postgres()
    return started


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: Services) -> None:
    """pytest-django asks for this before it makes its test database: the first moment that needs a server."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets that lies beside the repository."""
    folder = Path(os.environ.get("CONSILIENCE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.fail(f"{folder} is missing: tests read real data there (CONSILIENCE_SHARED names another place).")
    return folder


@pytest.fixture(scope="session")
def heart_disease(shared_data: Path) -> Path:
    """The four hospitals' files."""
    return shared_data / "heart_disease"


@pytest.fixture
def blob_root(tmp_path: Path, settings: Any) -> Path:
    """A blob store of this test's own."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    settings.BLOB_ROOT = folder
    return folder
