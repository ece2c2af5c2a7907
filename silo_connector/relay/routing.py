"""What the relay needs to know of an order: its id, and where its artefacts come from and go to. Kept over restarts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.digests import is_digest
from federation.protocol.documents.base import ARTEFACTS_MAX
from silo_connector.folders import SafeDir
from silo_connector.relay.transfers import is_transfer_path
from silo_connector.spool import SMALL_BYTES_MAX, is_artefact_name, is_order_id

_SIZE_MAX = 2**53
_PLACE = "{digest}"
T = TypeVar("T")


@dataclass(frozen=True)
class InputSource:
    """Where an input of an order is fetched, and what it must be."""

    digest: str
    size_bytes: int
    url: str


@dataclass(frozen=True)
class UploadTarget:
    """Where a payload of an order goes; the address has ``{digest}`` in it."""

    url: str
    size_bytes_max: int

    def path(self, digest: str) -> str:
        """The address for a payload. Raises Invalid ``upload.address``."""
        path = self.url.replace(_PLACE, digest)
        if not is_digest(digest) or not is_transfer_path(path):
            raise Invalid("upload.address", "The address that the order gives for uploads is not usable.")
        return path


@dataclass(frozen=True)
class OrderTransfers:
    """An order as the relay reads it: without verification, so only for carrying. The trainer checks."""

    order_id: str
    inputs: Mapping[str, InputSource] = field(default_factory=dict)
    outputs: Mapping[str, UploadTarget] = field(default_factory=dict)

    @classmethod
    def of_order(cls, sealed: bytes) -> OrderTransfers:
        """Read the order in an envelope. Raises Invalid ``order.unroutable`` when it has no proper id."""
        try:
            order = json.loads(envelope.payload_unverified(sealed))
            order_id = order["order_id"]
        except (FederationError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise Invalid("order.unroutable", "This is no order.") from error
        if not isinstance(order_id, str) or not is_order_id(order_id):
            raise Invalid("order.unroutable", "The order's id is no UUID.")
        return cls(order_id, _named(order.get("inputs"), _source), _named(order.get("outputs"), _target))


def _named(data: Any, read: Callable[[Any], T | None]) -> dict[str, T]:
    """Those of an order's named parts that are usable. What is missing the trainer misses, and says so."""
    if not isinstance(data, dict) or len(data) > ARTEFACTS_MAX:
        return {}
    found = {name: read(part) for name, part in data.items() if is_artefact_name(name)}
    return {name: part for name, part in found.items() if part is not None}


def _source(data: Any) -> InputSource | None:
    if not isinstance(data, dict):
        return None
    digest, size, url = data.get("digest"), data.get("size_bytes"), data.get("url")
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(url, str) or not is_transfer_path(url):
        return None
    if not isinstance(size, int) or not _is_size(size):
        return None
    return InputSource(digest, size, url)


def _target(data: Any) -> UploadTarget | None:
    if not isinstance(data, dict) or not isinstance(data.get("url"), str) or not _is_size(data.get("size_bytes_max")):
        return None
    return UploadTarget(data["url"], data["size_bytes_max"])


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _SIZE_MAX


class Routes:
    """The routes of the orders in the organisation, one small file each in the relay's own state."""

    def __init__(self, state: Path) -> None:
        self._path = state / "orders"
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, route: OrderTransfers) -> None:
        """Remember. What a power cut takes back comes with the order again, since an unknown order is not held."""
        with SafeDir.open(self._path) as folder:
            folder.replace(f"{route.order_id}.json", json.dumps(asdict(route)).encode(), durable=False)

    def find(self, order_id: str) -> OrderTransfers | None:
        """The route of an order, if it is known."""
        try:
            with SafeDir.open(self._path) as folder:
                data = json.loads(folder.read(f"{order_id}.json", SMALL_BYTES_MAX))
                return OrderTransfers(order_id, _named(data["inputs"], _source), _named(data["outputs"], _target))
        except (Invalid, ValueError, KeyError, TypeError):
            return None

    def knows(self, order_id: str) -> bool:
        """Whether there is a route."""
        return self.find(order_id) is not None

    def forget(self, order_id: str) -> None:
        """The order is over."""
        (self._path / f"{order_id}.json").unlink(missing_ok=True)

    def forget_all_but(self, wanted: set[str]) -> None:
        """Remove routes of orders that are no longer in the organisation."""
        for file in self._path.iterdir():
            if file.stem not in wanted:
                file.unlink(missing_ok=True)
