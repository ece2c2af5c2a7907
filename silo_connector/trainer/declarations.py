"""The declarations that the trainer uses, read again when their files change; others on this site can see which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from federation.errors import FederationError
from silo_connector.config import DatasetFile
from silo_connector.folders import SafeDir
from silo_connector.logs import Log
from silo_connector.trainer.data import LocalDataset, read_declaration

LOG = Log("trainer")
IN_USE = "datasets.json"
_IN_USE_BYTES_MAX = 1 << 20
Version = tuple[Path, int, int, int] | None


def read_dataset(file: DatasetFile) -> LocalDataset:
    """A dataset of the configuration. Raises Invalid ``dataset.unreadable`` or ``dataset.invalid``."""
    dataset = read_declaration(file.declaration)
    return dataset if file.source is None else replace(dataset, path=file.source)


def version_of(path: Path) -> Version:
    """What distinguishes one state of a file from another; None when it can't be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, found.st_ino


class Declarations:
    """The datasets of the configuration, by name.

    One that can't be read is logged and left out; if it could be read before, it stays in use as it was, since a file
    may be seen half written. `are_all` is False while any can't be read.
    """

    def __init__(self, files: Sequence[DatasetFile]) -> None:
        self.datasets: Mapping[str, LocalDataset] = {}
        self.are_all = True
        self._files = tuple(files)
        self._versions: list[Version] | None = None
        self._before: dict[Path, LocalDataset] = {}
        self.look()

    def look(self) -> bool:
        """Read the declarations again where a file has changed; whether others are in use now."""
        versions = [version_of(file.declaration) for file in self._files]
        if versions == self._versions:
            return False
        self._versions = versions
        found: dict[str, LocalDataset] = {}
        self.are_all = True
        for file in self._files:
            dataset = self._read(file)
            if dataset is None:
                continue
            name = dataset.declaration.name
            if name in found:
                reason = f"{name} is taken"
                LOG.error("dataset.unusable", file=str(file.declaration), code="dataset.twice", reason=reason)
                continue
            found[name] = dataset
        is_new = found != self.datasets
        self.datasets = found
        return is_new

    def _read(self, file: DatasetFile) -> LocalDataset | None:
        before = self._before.get(file.declaration)
        try:
            dataset = read_dataset(file)
        except FederationError as error:
            self.are_all = False
            path, kept = str(file.declaration), before is not None
            LOG.error("dataset.unusable", reason=error.message, file=path, code=error.code, kept=kept)
            return before
        if before is not None and dataset != before:
            LOG.info("dataset.redeclared", name=dataset.declaration.name, schema=dataset.declaration.schema_digest)
        self._before[file.declaration] = dataset
        return dataset


def fingerprint(dataset: LocalDataset) -> str:
    """What distinguishes one declaration, and where its data are, from another."""
    return hashlib.sha256(f"{dataset.path.absolute()}\n{dataset.declaration.model_dump_json()}".encode()).hexdigest()


def note_in_use(state: Path, datasets: Mapping[str, LocalDataset]) -> None:
    """Leave word of what the running trainer uses, for the doctor of this site."""
    by_name = {name: fingerprint(dataset) for name, dataset in datasets.items()}
    with SafeDir.open(state) as folder:
        folder.replace(IN_USE, json.dumps(by_name).encode(), durable=False)


def in_use(state: Path) -> Mapping[str, str]:
    """The fingerprints of what the trainer last used, by name. Raises Invalid ``spool.*`` where nothing was said."""
    with SafeDir.open(state) as folder:
        body = json.loads(folder.read(IN_USE, _IN_USE_BYTES_MAX))
    return {str(name): str(one_report) for name, one_report in body.items()}
