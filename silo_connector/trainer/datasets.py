"""The silo's datasets: rows loaded once for each state of file and declaration, and their registration."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from federation.errors import FederationError, Invalid
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_file
from federation.protocol.documents import DatasetRegistration, DatasetWithdrawal, now
from federation.protocol.documents.base import Network
from federation.protocol.keys import PrivateKey
from federation.protocol.rows import coarse
from silo_connector.config import Config
from silo_connector.logs import Log
from silo_connector.trainer.data import DataError, LocalDataset, Prepared, load
from silo_connector.trainer.data.common_columns import CommonColumns, load_common
from silo_connector.trainer.declarations import Declarations, Version, note_in_use, version_of
from silo_connector.trainer.egress.filter import sign_if_allowed
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.statistics import DatasetFile

if TYPE_CHECKING:
    from silo_connector.trainer.store.outbox import Outcomes

LOG = Log("trainer")


class Datasets:
    """Rows ready for use. A file is read again only when it has changed; `version` counts how often something did."""

    def __init__(self, config: Config, network: Network) -> None:
        self.version = 0
        self._network = network
        self._state = config.trainer_state
        self._declared = Declarations(config.datasets)
        self._datasets = self._declared.datasets
        self._is_noted = False
        self._loaded: dict[str, tuple[Version, Prepared | Refused]] = {}

    @property
    def declarations(self) -> dict[str, DatasetDeclaration]:
        """By name."""
        return {name: dataset.declaration for name, dataset in self._datasets.items()}

    def refresh(self) -> None:
        """Load what is new or has changed on disk: declarations, and rows.

        Only here do declarations change, so that an order is checked and carried out under the same one.
        """
        if self._declared.look():
            before, self._datasets = self._datasets, self._declared.datasets
            for name in [name for name in self._loaded if self._datasets.get(name) != before.get(name)]:
                del self._loaded[name]
            self.version += 1
            self._is_noted = False
        if not self._is_noted:
            self._note()
        for name in self._datasets:
            with contextlib.suppress(Refused):  # logged when it happened
                self.rows(name)

    def rows(self, name: str) -> Prepared:
        """The rows of a dataset. Raises Refused with the data error's code; its message stays on site."""
        dataset = self._datasets[name]
        version = version_of(dataset.path)
        known = self._loaded.get(name)
        if known is None or known[0] != version:
            self._loaded.pop(name, None)  # before the new rows need memory
            known = (version, self._load(dataset, version))
            self._loaded[name] = known
            self.version += 1
        if isinstance(known[1], Refused):
            raise Refused(known[1].code, known[1].message)  # a new one: a traceback grows with each raise
        return known[1]

    def common_columns(self, name: str) -> CommonColumns:
        """All rows of a dataset's file, by its common columns: read again, and kept by nobody. Raises as `rows`."""
        dataset = self._datasets[name]
        version = version_of(dataset.path)
        try:
            columns = load_common(dataset.declaration, dataset.path)
            if version_of(dataset.path) != version:
                raise DataError("data.changed", f"{dataset.path} changed while it was read.")
        except DataError as error:
            LOG.error("dataset.unusable", name=name, code=error.code, reason=error.message)
            raise Refused(error.code, error.message) from error
        return columns

    def file_of(self, name: str) -> DatasetFile:
        """The file of a dataset, by which statistics know it again. Raises Refused ``data.unreadable``."""
        path = self._datasets[name].path
        try:
            return DatasetFile(name, path, digest_file(path))
        except OSError as error:
            raise Refused("data.unreadable", f"{path}: {error}") from error

    def files(self) -> Iterator[DatasetFile]:
        """The files of all datasets whose rows can be used."""
        for name in self._datasets:
            with contextlib.suppress(Refused):  # logged when it happened
                self.rows(name)
                yield self.file_of(name)

    def _load(self, dataset: LocalDataset, version: Version) -> Prepared | Refused:
        name = dataset.declaration.name
        try:
            rows = load(dataset.declaration, dataset.path)
            if version_of(dataset.path) != version:
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
            if self._declared.are_all:
                self._withdraw(name, silo_id, key, memory, outcomes)
            else:  # the declaration that can't be read may be this one's
                LOG.warning("dataset.not_withdrawn", name=name, reason="a declaration can't be read")

    def _note(self) -> None:
        try:
            note_in_use(self._state, self._datasets)
            self._is_noted = True
        except (OSError, Invalid) as error:  # said at the next look
            LOG.warning("dataset.not_noted", reason=str(error))

    def _withdraw(self, name: str, silo_id: UUID, key: PrivateKey, memory: Memory, outcomes: Outcomes) -> None:
        withdrawal = DatasetWithdrawal(silo_id=silo_id, name=name, withdrawn_at=now())
        outcomes.put_journalled(sign_if_allowed(withdrawal, key))
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
        body = registration.model_dump_json(exclude={"registered_at"}).encode()
        fingerprint = hashlib.sha256(body).hexdigest()
        if memory.registered(name) != fingerprint:
            outcomes.put_journalled(sign_if_allowed(registration, key))
            memory.register(name, fingerprint)
            LOG.info("dataset.registered", name=name, rows_coarse=registration.rows_coarse)
