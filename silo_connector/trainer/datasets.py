"""The silo's datasets as configured: declarations, rows loaded once, and their registration with the platform."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from federation.errors import FederationError
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import DatasetRegistration, DatasetWithdrawal, now
from federation.protocol.documents.base import Network
from federation.protocol.keys import PrivateKey
from federation.protocol.rows import coarse
from silo_connector.config import Config, DatasetFile
from silo_connector.logs import Log
from silo_connector.trainer.data import DataError, LocalDataset, Prepared, load, read_declaration
from silo_connector.trainer.leaving import leave
from silo_connector.trainer.memory import Memory
from silo_connector.trainer.refusals import Refused

if TYPE_CHECKING:
    from silo_connector.trainer.outcomes import Outcomes

LOG = Log("trainer")
_Version = tuple[Path, int, int, int] | None


def read_dataset(file: DatasetFile) -> LocalDataset:
    """A dataset of the configuration. Raises Invalid ``dataset.unreadable`` or ``dataset.invalid``."""
    dataset = read_declaration(file.declaration)
    return dataset if file.source is None else dataclasses.replace(dataset, path=file.source)


@dataclass(frozen=True)
class Configured:
    """The datasets of the configuration, by name. Not all of them where a declaration couldn't be read."""

    datasets: Mapping[str, LocalDataset]
    are_all: bool = True


def configured(config: Config) -> Configured:
    """Read the declarations; one that can't be read is logged and left out."""
    found: dict[str, LocalDataset] = {}
    are_all = True
    for file in config.datasets:
        try:
            dataset = read_dataset(file)
        except FederationError as error:
            LOG.error("dataset.unusable", file=str(file.declaration), code=error.code, reason=str(error))
            are_all = False
            continue
        name = dataset.declaration.name
        if name in found:
            LOG.error("dataset.unusable", file=str(file.declaration), code="dataset.twice", reason=f"{name} is taken")
            continue
        found[name] = dataset
    return Configured(found, are_all)


class Datasets:
    """Rows ready for use. A file is read again only when it has changed; `version` counts how often rows changed."""

    def __init__(self, configured: Configured, network: Network) -> None:
        self.version = 0
        self._network = network
        self._datasets = configured.datasets
        self._are_all = configured.are_all
        self._loaded: dict[str, tuple[_Version, Prepared | Refused]] = {}

    @property
    def declarations(self) -> dict[str, DatasetDeclaration]:
        """By name."""
        return {name: dataset.declaration for name, dataset in self._datasets.items()}

    def refresh(self) -> None:
        """Load what is new or has changed on disk."""
        for name in self._datasets:
            with contextlib.suppress(Refused):  # logged when it happened
                self.rows(name)

    def rows(self, name: str) -> Prepared:
        """The rows of a dataset. Raises Refused with the data error's code; its message stays on site."""
        dataset = self._datasets[name]
        version = _version(dataset.path)
        known = self._loaded.get(name)
        if known is None or known[0] != version:
            self._loaded.pop(name, None)  # before the new rows need memory
            known = (version, self._load(dataset, version))
            self._loaded[name] = known
            self.version += 1
        if isinstance(known[1], Refused):
            raise Refused(known[1].code, known[1].message)  # a new one: a traceback grows with each raise
        return known[1]

    def _load(self, dataset: LocalDataset, version: _Version) -> Prepared | Refused:
        name = dataset.declaration.name
        try:
            rows = load(dataset.declaration, dataset.path)
            if _version(dataset.path) != version:
                raise DataError("data.changed", f"{dataset.path} changed while it was read.")
        except DataError as error:
            LOG.error("dataset.unusable", name=name, code=error.code, reason=error.message)
            return Refused(error.code, error.message)
        LOG.info("dataset.loaded", name=name, rows=rows.rows_total)
        return rows

    def register(self, silo_id: UUID, key: PrivateKey, memory: Memory, outcomes: Outcomes) -> None:
        """Describe each dataset to the platform, if that would say anything new; withdraw what is declared no more."""
        for name in self._datasets:
            try:
                self._register(name, silo_id, key, memory, outcomes)
            except Refused:
                continue  # logged when it happened
            except FederationError as error:
                LOG.error("dataset.unusable", name=name, code=error.code, reason=error.message)
        for name in memory.registered_names() - set(self._datasets):
            if self._are_all:
                self._withdraw(name, silo_id, key, memory, outcomes)
            else:  # the declaration that can't be read may be this one's
                LOG.warning("dataset.not_withdrawn", name=name, reason="a declaration can't be read")

    def _withdraw(self, name: str, silo_id: UUID, key: PrivateKey, memory: Memory, outcomes: Outcomes) -> None:
        withdrawal = DatasetWithdrawal(silo_id=silo_id, name=name, withdrawn_at=now())
        outcomes.put_journalled(leave(withdrawal, key))
        memory.forget_registration(name)
        LOG.info("dataset.withdrawn", name=name)

    def _register(self, name: str, silo_id: UUID, key: PrivateKey, memory: Memory, outcomes: Outcomes) -> None:
        declaration = self._datasets[name].declaration
        registration = DatasetRegistration(
            silo_id=silo_id,
            declaration=declaration,
            schema_digest=declaration.schema_digest,
            rows_coarse=coarse(self.rows(name).rows_total),
            network=self._network,
            registered_at=now(),
        )
        said = registration.model_dump_json(exclude={"registered_at"}).encode()
        fingerprint = hashlib.sha256(said).hexdigest()
        if memory.registered(name) != fingerprint:
            outcomes.put_journalled(leave(registration, key))
            memory.register(name, fingerprint)
            LOG.info("dataset.registered", name=name, rows_coarse=registration.rows_coarse)


def _version(path: Path) -> _Version:
    """What tells one state of a file from another; None when it can't be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, found.st_ino
