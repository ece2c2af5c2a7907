"""Every test runs against a real PostgreSQL and a real Redis, started here before Django reads its settings.

Redis starts at once, PostgreSQL when the first test needs a database: both in one temporary folder, both stopped at
the end whatever happens. The network is blocked except for the loopback interface (pytest-socket, in pyproject.toml).
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings
from pytest_django.plugin import DjangoDbBlocker
from xdist.scheduler import LoadScopeScheduling

from demo.services import ONE_THREAD, ROOT, Services, temporary_folder
from tests.support.examples import LONG, TIMES
from tests.support.migrated import Migrated, migrated_folder, take_cluster, take_secrets

# How long a machine takes that has other work says nothing about what is tested.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(LONG, settings.get_profile("ours"), max_examples=TIMES * 100)
settings.load_profile("ours")

pytest_plugins = ["tests.support.beside", "tests.support.tiers"]


WITHOUT_DJANGO = tuple(ROOT / "tests" / "unit" / name for name in ("federation", "silo_connector", "demo"))
WHOLE_STACKS = "whole stacks"
SERVICES = pytest.StashKey[Services]()
MIGRATED = pytest.StashKey[Migrated]()


def pytest_configure(config: pytest.Config) -> None:
    """Start what the settings name and set the environment. Torch reads its number of threads there too."""
    if config.getoption("numprocesses", None):  # the processes that run the tests start their own
        config.stash[MIGRATED] = migrated = Migrated()
        atexit.register(migrated.remove)
        return
    services = Services(temporary_folder("tests"), durable=False)
    config.stash[SERVICES] = services
    atexit.register(_stop, services)
    if folder := migrated_folder(config):
        take_secrets(folder, services.postgres)
    services.postgres.prepare()
    services.redis.start()
    os.environ.update(services.environment("http://testserver"), **ONE_THREAD)
    os.environ.setdefault("SIGN_IN_TOTP_REQUIRED", "false")  # tests of the second factor turn it on
    os.environ.setdefault("EMAIL_URL", "console:")  # pytest-django keeps what would be sent
    os.environ.update(
        ALLOWED_HOSTS="testserver,localhost,127.0.0.1", THROTTLE_USER="100000/min", THROTTLE_ANONYMOUS="100000/min"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Report a process that will run tests where all migrations have run."""
    node.workerinput["migrated"] = str(node.config.stash[MIGRATED].folder)


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """For processes side by side: what runs whole stacks stays together, the rest goes by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = ROOT / nodeid.partition("::")[0]
        return WHOLE_STACKS if _length(path) == 0 else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Who runs what. (The groups of `--dist loadgroup` need an attribute that pytest's items have no longer.)"""
    return Together(config, log)


@pytest.hookimpl(tryfirst=True)  # before xdist reports it, and after pytest-django has made an order of its own
def pytest_collection_finish(session: pytest.Session) -> None:
    """The long first: a long group that comes last is run by one process while the other waits."""
    slow = {item.path for item in session.items if item.get_closest_marker("slow")}
    session.items.sort(key=lambda item: (_length(item.path), item.path not in slow))


def _length(path: Path) -> int:
    folder, *rest = path.relative_to(ROOT / "tests").parts
    if folder == "faults" or (folder, *rest) == ("functional", "test_demo.py"):
        return 0
    return 1 if folder in {"functional", "contract"} else 2


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Set Django up before the first test module that may use it. The library and the connector know nothing of it."""
    if not any(folder in module_path.parents for folder in WITHOUT_DJANGO) and not apps.ready:
        django.setup()
        # Else every test client reads all static files once: it makes its own middleware.
        django_settings.WHITENOISE_AUTOREFRESH = True
        # This process is worker and web at once: its settings have the signing key, and web refuses to find it here.
        del os.environ["PLATFORM_SIGNING_KEY_FILE"]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The end, reached also after an interrupt."""
    if services := config.stash.get(SERVICES, None):
        _stop(services)
    if migrated := config.stash.get(MIGRATED, None):
        migrated.remove()


def _stop(services: Services) -> None:
    if services.folder.exists():
        services.stop()
        shutil.rmtree(services.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Services:
    """This run's PostgreSQL and Redis, both up."""
    started = request.config.stash[SERVICES]
    if started.postgres.child is None:
        if folder := migrated_folder(request.config):
            take_cluster(folder, started.postgres)
        started.postgres.start()
    return started


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: Services, pytestconfig: pytest.Config) -> None:
    """pytest-django asks for this before it makes its test database: the first moment that needs a server."""
    if migrated_folder(pytestconfig):
        connection.settings_dict["TEST"]["TEMPLATE"] = services.postgres.database


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, in which alone events may be truncated: that is how tests with threads leave it empty.

    It can't be dropped while somebody is in it: what is pooled, or was left by a thread that has ended, is cut off.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_event_no_truncate ON audit_event")
        cursor.execute("DROP TRIGGER audit_link_no_truncate ON audit_link")
        cursor.execute("DROP TRIGGER audit_treenode_no_truncate ON audit_treenode")
    from tests.support.emptied import empty_database  # Django is set up only after this file is read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_database())
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    connection.close()
    # the pool would make new connections for those that were cut off while they were in use
    connections[DEFAULT_DB_ALIAS].close_pool()  # type: ignore[attr-defined]  # only PostgreSQL's has one


@pytest.fixture(autouse=True)
def own_language_and_time_zone() -> None:
    """A request leaves these to the thread that it ran in: each test begins with the platform's own."""
    from django.conf import settings as of_django
    from django.utils import timezone, translation

    if apps.ready:
        translation.activate(of_django.LANGUAGE_CODE)
        timezone.deactivate()


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
