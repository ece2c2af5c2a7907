"""What silo IT configures: ``connector.toml`` as one frozen value, checked when it is read (``config_file.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from silo_connector.runner_settings import Runner

__all__ = ["Config", "DatasetFile", "Limits", "Runner", "load"]

JOURNAL_PART_BYTES = 16 << 20
"""So large a file of the journal becomes before another is begun: some 50,000 lines."""


@dataclass(frozen=True)
class DatasetFile:
    """One declared dataset: where its declaration is, and its data if the declaration does not say."""

    declaration: Path
    source: Path | None = None


@dataclass(frozen=True)
class Limits:
    """Bounds on what the platform may have us store, and on how small a count of ours may be that it is reported."""

    model_bytes_max: int = 2 << 30
    disk_free_bytes_min: int = 256 << 20
    minimum_cell: int = 5


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
    journal_part_bytes_max: int = JOURNAL_PART_BYTES
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
    """Read and check the file.

    Raises Invalid ``config.unreadable``, or ``config.invalid`` with all that is wrong: line, key, what is there,
    what is expected.
    """
    from silo_connector.config_file import read_config

    return read_config(path)
