"""An embedded PostgreSQL: the wheel's binaries, a cluster that listens on a socket only and asks for a password.

Its binaries are driven directly. The wheel's own helper, when run as root, makes every parent of the data folder
readable by everybody, trusts local connections and waits ten seconds at each start.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from demo.postgres_binaries import Binaries, can_enter
from demo.processes import Child, DemoError, run, wait_until_gone

SOCKET_PATH_BYTES_MAX = 107
BUILTIN_LOCALES_SINCE = 17
SOCKET_NAME = ".s.PGSQL.5432"
UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 300.0
SUPERUSER = "postgres"


@dataclass
class Postgres:
    """One cluster in a folder of its own, with one database owned by one ordinary role, and a plainer one that uses it.

    As root it runs as an unprivileged user, whose own the folder becomes. Where that user can't reach the folder
    (a checkout under /root), cluster and binaries live under /var/tmp and `folder` is a link to them: the permissions
    of the folder's parents are never touched.
    """

    folder: Path
    log: Path
    database: str = "consilience"
    role: str = "consilience"
    app_role: str = "consilience_app"
    """Under which web and workers run; what it may do is granted after each migration (`audit.grants`)."""
    durable: bool = True
    child: Child | None = field(default=None, init=False)
    _socket_folder: Path | None = field(default=None, init=False)
    _socket_is_temporary: bool = field(default=False, init=False)

    @property
    def _runs_as(self) -> pwd.struct_passwd | None:
        return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None

    @property
    def _home(self) -> Path:
        return self.folder.resolve()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers, make role and database."""
        self.prepare()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._end_leftover()
        self.child = self._launch()
        self._await_answer()
        self._make_database()

    def dump(self, to: Path) -> None:
        """A backup while it runs, as docs/operator.md has it. Raises DemoError."""
        self._client("pg_dump", "--format=custom", f"--file={to}", self.url())

    def restore(self, dump: Path) -> None:
        """Put a backup back, in one transaction; nobody else may be connected. Raises DemoError."""
        words = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        self._client("pg_restore", *words, f"--dbname={self.url()}", str(dump))

    def _client(self, name: str, *words: str) -> None:
        run([self._binaries.path_of(name), *words], environment=self._environment, log=self.log, what=name)

    def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, nothing committed is lost."""
        if self.child:
            self.child.stop()
        if self._socket_is_temporary and self._socket_folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_is_temporary = False

    def url(self, database: str | None = None) -> str:
        """The address for Django: the role that owns the database and migrates it, over the socket."""
        return self._url(self.role, self._secret("role"), database or self.database)

    def app_url(self) -> str:
        """The address for web and workers."""
        return self._url(self.app_role, self._secret("app"), self.database)

    def _url(self, role: str, password: str, database: str) -> str:
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{role}:{quote(password, safe='')}@/{database}?host={host}"

    @property
    def socket_folder(self) -> Path:
        """Where the socket is. A folder in /tmp when the path in the cluster's own would be too long for a socket."""
        if self._socket_folder is None:
            own = self._home / "socket"
            if len(os.fsencode(own / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
                self._socket_folder = own
            else:
                self._socket_folder = Path(tempfile.mkdtemp(prefix="consilience-", dir="/tmp"))
                self._socket_is_temporary = True
            self._give_private(self._socket_folder)
        return self._socket_folder

    def prepare(self) -> None:
        """Find the cluster its place, private to the user who runs it. From then on `url` is known, before any
        start.
        """
        user = self._runs_as
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if user and not self.folder.exists() and not can_enter(user, self.folder.parent.resolve()):
            name = hashlib.sha256(os.fsencode(self.folder.absolute())).hexdigest()[:12]
            elsewhere = Path("/var/tmp") / f"consilience-postgres-{name}"  # noqa: S108
            elsewhere.mkdir(mode=0o711, exist_ok=True)
            _refuse_foreign(elsewhere)
            self.folder.unlink(missing_ok=True)
            self.folder.symlink_to(elsewhere)
        self.folder.mkdir(exist_ok=True)
        self._home.chmod(0o711)
        self._give_private(self._data)

    def _give_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if user := self._runs_as:
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)

    @property
    def _binaries(self) -> Binaries:
        return Binaries(self._home, self._runs_as)

    def major_version(self) -> int:
        """Of the server that is started here."""
        return self._binaries.major_version()

    def _secret(self, whose: str) -> str:
        path = self._home / f"{whose}.password"
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_urlsafe(24))
        return path.read_text()

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _initialise(self) -> None:
        user = self._runs_as
        shutil.rmtree(self._data)
        self._give_private(self._data)
        password = self._home / "initdb.password"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
            secret.write(self._secret("superuser"))
        if user:
            os.chown(password, user.pw_uid, user.pw_gid)
        command = [
            *(self._binaries.path_of("initdb"), "--pgdata", str(self._data), "--username", SUPERUSER),
            *("--auth", "scram-sha-256", "--pwfile", str(password)),
            *("--encoding", "UTF8", "--locale", "C.UTF-8"),
            *(["--locale-provider", "builtin"] if self.major_version() >= BUILTIN_LOCALES_SINCE else []),
            *([] if self.durable else ["--no-sync"]),
        ]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as stream:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd="/",
                check=False,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        password.unlink()
        if done.returncode:
            raise DemoError(f"PostgreSQL's initdb failed in {self._data}.", self.log)
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                "listen_addresses = ''\nunix_socket_permissions = 0700\n"
                "max_connections = 100\nshared_buffers = '64MB'\n"
            )
            if not self.durable:
                settings.write("fsync = off\nfull_page_writes = off\n")

    def _end_leftover(self) -> None:
        """Stop a server that an earlier run, killed outright, left on this cluster."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
            same = Path(f"/proc/{pid}/cwd").resolve() == self._data
        except (OSError, ValueError, IndexError):
            return
        if same:
            os.kill(pid, signal.SIGINT)
            if not wait_until_gone(pid, 20):
                raise DemoError(
                    f"An earlier PostgreSQL (process {pid}) holds {self._data} and does not stop.", self.log
                )

    def _launch(self) -> Child:
        user = self._runs_as
        child = Child(
            name="postgres",
            command=[self._binaries.path_of("postgres"), "-D", str(self._data), "-k", str(self.socket_folder)],
            log=self.log,
            environment=self._environment,
            cwd=Path("/"),
            uid=user.pw_uid if user else None,
            gid=user.pw_gid if user else None,
            stop_signal=signal.SIGINT,
            stop_timeout_s=60.0,
        )
        child.start()
        return child

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket_folder),
            dbname=database,
            user=SUPERUSER,
            password=self._secret("superuser"),
            autocommit=True,
            connect_timeout=30,
        )

    def _await_answer(self) -> None:
        assert self.child is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self.child.check()
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise DemoError(f"PostgreSQL does not answer: {error}", self.log) from error
                time.sleep(0.05)
            else:
                return

    def _make_database(self) -> None:
        with self._connect("postgres") as connection:
            role, database = sql.Identifier(self.role), sql.Identifier(self.database)
            password = sql.Literal(self._secret("role"))
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [self.role]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, password))
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [self.app_role]).fetchone() is None:
                app, password = sql.Identifier(self.app_role), sql.Literal(self._secret("app"))
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(app, password))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


def _refuse_foreign(folder: Path) -> None:
    """A folder in a place that everybody may write to must be our own, and no link."""
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        raise DemoError(f"{folder} belongs to somebody else.")
