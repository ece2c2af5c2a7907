"""What the runner reads of ``connector.toml``: its own table, and without pydantic, which its image lacks (ADR 44)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from silo_connector.settings_faults import TYPE, VALUE, Fault, close, missing, refusal, syntax, unknown, wrong
from silo_connector.toml_lines import lines_of

SAMPLE = "connector.sample.toml"
INVALID, UNREADABLE = "config.invalid", "config.unreadable"
SOCKET_PATH_BYTES_MAX = 107
SOCKET = f"the path of a socket, of at most {SOCKET_PATH_BYTES_MAX} bytes"
INTERFACES = 'a list of names, as ["tunl0", "sit0"]'
RANGES: Mapping[str, tuple[int, int]] = {
    "cpu_s": (1, 30 * 86400),
    "memory_bytes": (64 << 20, 1 << 44),
    "answer_timeout_s": (1, 86400),
    "order_timeout_s": (1, 60 * 86400),
}


@dataclass(frozen=True)
class Runner:
    """Where the runner listens, and what it gives to the training plan of one order."""

    socket: Path
    cpu_s: int = 3600
    memory_bytes: int = 2 << 30
    answer_timeout_s: int = 60
    order_timeout_s: int = 7200


@dataclass(frozen=True)
class RunnerSettings:
    """All that the runner has to know."""

    runner: Runner | None
    tolerated_interfaces: tuple[str, ...] = ()


def between(low: int, high: int) -> str:
    """What a bounded number has to be."""
    return f"a whole number of at least {low} and at most {high}"


def read_text(path: Path) -> str:
    """The text of the file. Raises Invalid ``config.unreadable``, ``config.invalid``."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(UNREADABLE, f"{path} can't be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise refusal(INVALID, path, [syntax(error)], SAMPLE) from error


def resolved(base: Path, text: str) -> Path:
    """A path of the file: relative to its folder."""
    return base / Path(text).expanduser()


def load(path: Path) -> RunnerSettings:
    """Read the runner's part of the file; the rest is for relay and trainer. Raises as `read_text`."""
    path = path.absolute()
    text = read_text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refusal(INVALID, path, [syntax(error)], SAMPLE) from error
    runner, training = data.get("runner", {}), data.get("training", {})
    interfaces = training.get("tolerated_interfaces", []) if isinstance(training, dict) else []
    lines = lines_of(text)
    faults = [*_faults(runner, path.parent, lines)]
    if not isinstance(interfaces, list) or not all(isinstance(one, str) for one in interfaces):
        place = ("training", "tolerated_interfaces")
        faults.append(wrong(TYPE, ".".join(place), interfaces, INTERFACES, lines.get(place)))
    if faults:
        raise refusal(INVALID, path, faults, SAMPLE)
    if not runner:
        return RunnerSettings(None, tuple(interfaces))
    settings = {"order_timeout_s": 2 * runner.get("cpu_s", Runner.cpu_s), **runner}
    return RunnerSettings(Runner(**{**settings, "socket": resolved(path.parent, runner["socket"])}), tuple(interfaces))


def _faults(table: Any, base: Path, lines: Mapping[Any, int]) -> Iterator[Fault]:
    if not isinstance(table, dict):
        yield wrong(TYPE, "runner", table, "a table", lines.get(("runner",)))
        return
    for name, value in table.items():
        key, line = f"runner.{name}", lines.get(("runner", name))
        if name == "socket":
            if not isinstance(value, str):
                yield wrong(TYPE, key, value, SOCKET, line)
            elif len(str(resolved(base, value)).encode()) > SOCKET_PATH_BYTES_MAX:
                yield wrong(VALUE, key, value, SOCKET, line)
        elif name not in RANGES:
            meant = close(name, ("socket", *RANGES))
            yield unknown(key, f" Did you mean {meant}?" if meant else "", line)
        elif type(value) is not int:
            yield wrong(TYPE, key, value, between(*RANGES[name]), line)
        elif not RANGES[name][0] <= value <= RANGES[name][1]:
            yield wrong(VALUE, key, value, between(*RANGES[name]), line)
    if table and "socket" not in table:
        yield missing("runner.socket", SOCKET, lines.get(("runner",)))
