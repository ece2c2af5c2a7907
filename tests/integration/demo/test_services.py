"""The embedded PostgreSQL and Redis: private, side by side, and there again after a restart or a crash."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from demo.postgres import SOCKET_NAME, SOCKET_PATH_BYTES_MAX, Postgres
from demo.redis_server import RedisServer
from demo.services import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder through which another user may pass."""
    made = temporary_folder("test")
    yield made
    for path in (made, *made.rglob("*")):
        if path.is_symlink() and path.name == "postgres":
            shutil.rmtree(path.resolve())
    shutil.rmtree(made)


@pytest.fixture
def started(folder: Path) -> Iterator[list[Postgres]]:
    """Clusters to be stopped at the end."""
    clusters: list[Postgres] = []
    yield clusters
    for cluster in clusters:
        cluster.stop()


def cluster(folder: Path, started: list[Postgres]) -> Postgres:
    """A running cluster."""
    made = Postgres(folder / "postgres", folder / "postgres.log", durable=False)
    started.append(made)
    made.start()
    return made


def modes(path: Path) -> dict[Path, int]:
    """The permissions of a folder and its parents."""
    return {each: stat.S_IMODE(each.stat().st_mode) for each in (path, *path.parents)}


def test_a_cluster_listens_on_its_socket_only_and_wants_a_password(folder: Path, started: list[Postgres]) -> None:
    before = modes(folder)
    made = cluster(folder, started)
    assert modes(folder) == before
    with psycopg.connect(made.url()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute(
            "SELECT current_user, usesuper FROM pg_user WHERE usename = current_user"
        ).fetchone() == (
            "consilience",
            False,
        )
    wrong = made.url().replace(str(urlsplit(made.url()).password), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(made.socket_folder), dbname="postgres", user="postgres")
    assert made.child is not None
    server = psutil.Process(made.child.pid)
    assert not [connection for connection in server.net_connections("inet") if connection.status == "LISTEN"]
    assert server.uids().effective != 0


def test_what_was_committed_is_there_after_a_restart_and_after_a_kill(folder: Path, started: list[Postgres]) -> None:
    made = cluster(folder, started)
    with psycopg.connect(made.url()) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    made.stop()
    made = cluster(folder, started)
    with psycopg.connect(made.url()) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")
    assert made.child is not None
    made.child.kill()
    again = cluster(folder, started)
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT number FROM kept ORDER BY 1").fetchall() == [(1,), (2,)]


def test_a_server_left_by_an_earlier_run_is_ended(folder: Path, started: list[Postgres]) -> None:
    left = cluster(folder, started)
    assert left.child is not None
    pid = left.child.pid
    again = cluster(folder, started)
    assert again.child is not None
    assert again.child.pid != pid
    left.child.stop()
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_services_of_two_demos_run_side_by_side(folder: Path, started: list[Postgres]) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        made = cluster(folder / name, started)
        with psycopg.connect(made.url()) as connection:
            connection.execute(f"CREATE TABLE only_in_{name} ()")
    assert started[0].url() != started[1].url()


def test_a_long_path_gets_a_short_socket(folder: Path, started: list[Postgres]) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    made = cluster(deep, started)
    assert len(os.fsencode(made.socket_folder / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
    with psycopg.connect(made.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    place = made.socket_folder
    made.stop()
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that its PostgreSQL can't reach")
def test_as_root_a_closed_folder_stays_closed(folder: Path, started: list[Postgres]) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    before = modes(closed)
    made = cluster(closed, started)
    assert modes(closed) == before
    with psycopg.connect(made.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_redis_wants_its_password_and_leaves_nothing_on_the_disk(folder: Path) -> None:
    server = RedisServer(folder / "redis", folder / "redis.log")
    server.start()
    try:
        with Redis.from_url(server.url) as client:
            client.set("a", "b")
        address = urlsplit(server.url)
        with pytest.raises(AuthenticationError), Redis(host="127.0.0.1", port=address.port or 0) as stranger:
            stranger.ping()
        assert server.child is not None
        assert str(address.password) not in " ".join(psutil.Process(server.child.pid).cmdline())
    finally:
        server.stop()
    assert [path.name for path in (folder / "redis").iterdir()] == ["redis.conf"]
    assert server.child.returncode in (0, -signal.SIGTERM)
