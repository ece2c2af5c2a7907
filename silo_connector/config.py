"""What silo IT configures: ``connector.toml`` as one frozen value, checked when it is read."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from federation.errors import Invalid

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SOCKET_PATH_BYTES_MAX = 107
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class DatasetFile:
    """One declared dataset: where its declaration is, and its data if the declaration does not say."""

    declaration: Path
    source: Path | None = None


@dataclass(frozen=True)
class Limits:
    """Bounds on what the platform may have us store, and on how small a count of ours may be that it is told."""

    model_bytes_max: int = 2 << 30
    disk_free_bytes_min: int = 256 << 20
    minimum_cell: int = 5


@dataclass(frozen=True)
class Runner:
    """Where the runner listens, and what it gives to the training plan of one order."""

    socket: Path
    cpu_s: int = 3600
    memory_bytes: int = 2 << 30
    answer_timeout_s: int = 60
    order_timeout_s: int = 7200


@dataclass(frozen=True)
class Config:
    """The whole of ``connector.toml``; paths in it are relative to the file."""

    path: Path
    platform_url: str
    platform_key: str
    spool: Path
    trainer_state: Path
    relay_state: Path
    organisation: str | None = None
    signatory_key: Path | None = None
    ca_file: Path | None = None
    proxy: str | None = None
    allow_plain_http: bool = False
    image_digest: str | None = None
    datasets: tuple[DatasetFile, ...] = ()
    training_threads: int = 1
    tolerated_interfaces: tuple[str, ...] = ()
    limits: Limits = Limits()
    policy: Path | None = None
    syslog: Path | None = None
    runner: Runner | None = None

    @property
    def platform_host(self) -> str:
        """The host that the relay talks to."""
        return urlsplit(self.platform_url).hostname or ""

    @property
    def is_plain_http(self) -> bool:
        """Whether the platform is reached without TLS."""
        return self.platform_url.startswith("http://")


def load(path: Path) -> Config:
    """Read and check the file. Raises Invalid ``config.unreadable`` or ``config.invalid`` with the key at fault."""
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise Invalid("config.unreadable", f"{path} can't be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("config.invalid", f"{path} is no TOML: {error}") from error
    return _Reader(path.absolute(), data).config()


class _Reader:
    """Takes values out of the table one by one; what stays over is unknown."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path = path
        self._data = data

    def config(self) -> Config:
        training = self._table("training")
        limits = self._table("limits")
        journal = self._table("journal")
        runner = self._table("runner")
        allow_plain_http = self._take(self._data, "allow_plain_http", bool, False)
        config = Config(
            path=self._path,
            platform_url=_origin(self._take(self._data, "platform_url", str), allow_plain_http),
            platform_key=_fingerprint(self._take(self._data, "platform_key", str)),
            spool=self._file(self._take(self._data, "spool", str)),
            trainer_state=self._file(self._take(self._data, "trainer_state", str)),
            relay_state=self._file(self._take(self._data, "relay_state", str)),
            organisation=self._take(self._data, "organisation", str, None),
            signatory_key=self._optional_file("signatory_key"),
            ca_file=self._optional_file("ca_file"),
            proxy=_proxy(self._take(self._data, "proxy", str, None)),
            allow_plain_http=allow_plain_http,
            image_digest=self._take(self._data, "image_digest", str, None),
            datasets=tuple(self._dataset(entry) for entry in self._list("dataset")),
            training_threads=self._within(training, "training", "threads", 1, 1, 256),
            tolerated_interfaces=tuple(map(str, self._take(training, "tolerated_interfaces", list, []))),
            limits=Limits(
                model_bytes_max=self._within(limits, "limits", "model_bytes_max", Limits.model_bytes_max, 1, 1 << 40),
                disk_free_bytes_min=self._within(
                    limits, "limits", "disk_free_bytes_min", Limits.disk_free_bytes_min, 0, 1 << 50
                ),
                minimum_cell=self._within(limits, "limits", "minimum_cell", Limits.minimum_cell, 1, 1000),
            ),
            policy=self._optional_file("policy"),
            syslog=_socket(self._take(journal, "syslog", str, None)),
            runner=self._runner(runner) if runner else None,
        )
        for where, table in (
            ("", self._data),
            ("training.", training),
            ("limits.", limits),
            ("journal.", journal),
            ("runner.", runner),
        ):
            if table:
                raise _invalid(where + next(iter(table)), "is no setting that this version knows")
        return config

    def _take(self, table: dict[str, Any], key: str, kind: type, *default: Any) -> Any:
        if key not in table:
            if default:
                return default[0]
            raise _invalid(key, "is missing")
        value = table.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _invalid(key, f"must be of type {kind.__name__}")
        return value

    def _within(self, table: dict[str, Any], where: str, key: str, default: int, low: int, high: int) -> int:
        value: int = self._take(table, key, int, default)
        if not low <= value <= high:
            raise _invalid(f"{where}.{key}", f"must be between {low} and {high}")
        return value

    def _table(self, key: str) -> dict[str, Any]:
        return dict(self._take(self._data, key, dict, {}))

    def _list(self, key: str) -> list[dict[str, Any]]:
        entries: list[Any] = self._take(self._data, key, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise _invalid(key, "must be written as [[dataset]]")
        return entries

    def _runner(self, table: dict[str, Any]) -> Runner:
        socket = self._file(self._take(table, "socket", str))
        if len(str(socket).encode()) > _SOCKET_PATH_BYTES_MAX:
            raise _invalid("runner.socket", f"must be a path of at most {_SOCKET_PATH_BYTES_MAX} bytes")
        cpu_s = self._within(table, "runner", "cpu_s", Runner.cpu_s, 1, 30 * 86400)
        return Runner(
            socket=socket,
            cpu_s=cpu_s,
            memory_bytes=self._within(table, "runner", "memory_bytes", Runner.memory_bytes, 64 << 20, 1 << 44),
            answer_timeout_s=self._within(table, "runner", "answer_timeout_s", Runner.answer_timeout_s, 1, 86400),
            order_timeout_s=self._within(table, "runner", "order_timeout_s", 2 * cpu_s, 1, 60 * 86400),
        )

    def _dataset(self, entry: dict[str, Any]) -> DatasetFile:
        entry = dict(entry)
        declaration = self._file(self._take(entry, "declaration", str))
        source = self._take(entry, "source", str, None)
        if entry:
            raise _invalid("dataset." + next(iter(entry)), "is no setting that this version knows")
        return DatasetFile(declaration, None if source is None else self._file(source))

    def _file(self, text: str) -> Path:
        return self._path.parent / Path(text).expanduser()

    def _optional_file(self, key: str) -> Path | None:
        text = self._take(self._data, key, str, None)
        return None if text is None else self._file(text)


def _origin(text: str, allow_plain_http: bool) -> str:
    key = "platform_url"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _invalid(key, "is no address") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username:
        raise _invalid(key, "must be an https:// address without a user")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _invalid(key, "must be the bare origin, without a path")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_plain_http:
        raise _invalid(key, "must be https (or set allow_plain_http = true, and know why)")
    return f"{parts.scheme}://{parts.netloc}"


def _socket(text: str | None) -> Path | None:
    if text is not None and not text.startswith("/"):
        raise _invalid("journal.syslog", "must be the path of a Unix socket, as /dev/log: the trainer has no network")
    return None if text is None else Path(text)


def _proxy(text: str | None) -> str | None:
    if text is not None and (not text.startswith("http://") or not urlsplit(text).hostname):
        raise _invalid("proxy", "must be http://host:port")
    return text


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[\s:]", "", text.removeprefix("ed25519:")).lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise _invalid("platform_key", "must be the fingerprint from the enrolment page: eight groups of four digits")
    return " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def _invalid(key: str, what: str) -> Invalid:
    return Invalid("config.invalid", f"connector.toml: {key} {what}.", key)
