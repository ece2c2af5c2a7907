"""``connector.toml`` as pydantic reads it: every setting, what it is in words, and what it has to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from silo_connector.config import JOURNAL_PART_BYTES, Config, DatasetFile, Limits
from silo_connector.runner_settings import (
    INTERFACES,
    INVALID,
    RANGES,
    SAMPLE,
    SOCKET,
    SOCKET_PATH_BYTES_MAX,
    Runner,
    read_text,
    resolved,
)
from silo_connector.settings_reading import EXPECTED, read_settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_ADDRESS = 'the platform\'s https:// address without a user or a path, as "https://platform.example"'
_KEY = "the fingerprint from the enrolment page: eight groups of four digits"
_SYSLOG = "the path of a Unix socket, as /dev/log: the trainer has no network"
_PROXY = "an address as http://host:port"
_FOLDER = "the path of a folder"


_BASE = "base"


def _range(name: str) -> Any:
    low, high = RANGES[name]
    return Field(ge=low, le=high)


def _unlike(expected: str) -> PydanticCustomError:
    return PydanticCustomError(EXPECTED, "{expected}", {"expected": expected})


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Training(_Table):
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    tolerated_interfaces: Annotated[list[str], Field(description=INTERFACES)] = []


class _Limits(_Table):
    model_bytes_max: Annotated[int, Field(ge=1, le=1 << 40)] = Limits.model_bytes_max
    disk_free_bytes_min: Annotated[int, Field(ge=0, le=1 << 50)] = Limits.disk_free_bytes_min
    minimum_cell: Annotated[int, Field(ge=1, le=1000)] = Limits.minimum_cell


class _Journal(_Table):
    syslog: Annotated[str | None, Field(description=_SYSLOG)] = None
    part_bytes_max: Annotated[int, Field(ge=1 << 16, le=1 << 40)] = JOURNAL_PART_BYTES

    @field_validator("syslog")
    @classmethod
    def _is_path(cls, text: str | None) -> str | None:
        if text is not None and not text.startswith("/"):
            raise _unlike(_SYSLOG)
        return text


class _Runner(_Table):
    socket: Annotated[str, Field(description=SOCKET)]
    cpu_s: Annotated[int, _range("cpu_s")] = Runner.cpu_s
    memory_bytes: Annotated[int, _range("memory_bytes")] = Runner.memory_bytes
    answer_timeout_s: Annotated[int, _range("answer_timeout_s")] = Runner.answer_timeout_s
    order_timeout_s: Annotated[int | None, _range("order_timeout_s")] = None

    @field_validator("socket")
    @classmethod
    def _is_short(cls, text: str, info: ValidationInfo) -> str:
        if len(str(_file(text, info)).encode()) > SOCKET_PATH_BYTES_MAX:
            raise _unlike(SOCKET)
        return text


class _Dataset(_Table):
    declaration: Annotated[str, Field(description="the path of the declaration")]
    source: Annotated[str | None, Field(description="the path of the data")] = None


class _Connector(_Table):
    allow_plain_http: bool = False
    """Stands before what it allows."""
    platform_url: Annotated[str, Field(description=_ADDRESS)]
    platform_key: Annotated[str, Field(description=_KEY)]
    spool: Annotated[str, Field(description=_FOLDER)]
    trainer_state: Annotated[str, Field(description=_FOLDER)]
    relay_state: Annotated[str, Field(description=_FOLDER)]
    organisation: str | None = None
    signatory_key: Annotated[str | None, Field(description="the path of the signatory key")] = None
    ca_file: Annotated[str | None, Field(description="the path of certificates in PEM")] = None
    proxy: Annotated[str | None, Field(description=_PROXY)] = None
    image_digest: str | None = None
    policy: Annotated[str | None, Field(description="the path of policy.toml")] = None
    dataset: Annotated[list[_Dataset], Field(description="tables that are headed [[dataset]]")] = []
    training: _Training = _Training()
    limits: _Limits = _Limits()
    journal: _Journal = _Journal()
    runner: _Runner | None = None

    @field_validator("runner", mode="before")
    @classmethod
    def _none_if_empty(cls, table: object) -> object:
        return table or None

    @field_validator("platform_url")
    @classmethod
    def _is_origin(cls, text: str, info: ValidationInfo) -> str:
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise _unlike(_ADDRESS) from error
        is_origin = parts.path in ("", "/") and not parts.query and not parts.fragment
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or not is_origin:
            raise _unlike(_ADDRESS)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not info.data.get("allow_plain_http", True):
            raise _unlike("https (or set allow_plain_http = true, and know why)")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("platform_key")
    @classmethod
    def _is_fingerprint(cls, text: str) -> str:
        digits = re.sub(r"[\s:]", "", text.removeprefix("ed25519:")).lower()
        if not _FINGERPRINT.fullmatch(digits):
            raise _unlike(_KEY)
        return " ".join(digits[start : start + 4] for start in range(0, 32, 4))

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, text: str | None) -> str | None:
        if text is not None and (not text.startswith("http://") or not urlsplit(text).hostname):
            raise _unlike(_PROXY)
        return text


def read_config(path: Path) -> Config:
    """Read and check the file. Raises Invalid ``config.unreadable``, ``config.invalid`` with all that is wrong."""
    path = path.absolute()
    base = path.parent
    content = read_settings(_Connector, path, read_text(path), INVALID, SAMPLE, {_BASE: base})

    def optional(text: str | None) -> Path | None:
        return None if text is None else resolved(base, text)

    runner = content.runner
    return Config(
        path=path,
        platform_url=content.platform_url,
        platform_key=content.platform_key,
        spool=resolved(base, content.spool),
        trainer_state=resolved(base, content.trainer_state),
        relay_state=resolved(base, content.relay_state),
        organisation=content.organisation,
        signatory_key=optional(content.signatory_key),
        ca_file=optional(content.ca_file),
        proxy=content.proxy,
        allow_plain_http=content.allow_plain_http,
        image_digest=content.image_digest,
        datasets=tuple(DatasetFile(resolved(base, one.declaration), optional(one.source)) for one in content.dataset),
        training_threads=content.training.threads,
        tolerated_interfaces=tuple(content.training.tolerated_interfaces),
        limits=Limits(**content.limits.model_dump()),
        policy=optional(content.policy),
        syslog=None if content.journal.syslog is None else Path(content.journal.syslog),
        journal_part_bytes_max=content.journal.part_bytes_max,
        runner=None
        if runner is None
        else Runner(
            socket=resolved(base, runner.socket),
            cpu_s=runner.cpu_s,
            memory_bytes=runner.memory_bytes,
            answer_timeout_s=runner.answer_timeout_s,
            order_timeout_s=2 * runner.cpu_s if runner.order_timeout_s is None else runner.order_timeout_s,
        ),
    )


def _file(text: str, info: ValidationInfo) -> Path:
    base: Path = (info.context or {})[_BASE]
    return resolved(base, text)
