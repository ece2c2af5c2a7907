"""The trainer's inbox, trusted no more than the network: orders are read, models copied out, the rest put aside."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

from federation.errors import FederationError, Invalid
from federation.protocol.documents import MODEL, BlobReference
from silo_connector import spool
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.logs import Log
from silo_connector.spool import Spool
from silo_connector.trainer.orders.verification import kind_unverified
from silo_connector.trainer.refusals import Refused

LOG = Log("trainer")
LOOK_EVERY_S = 0.5
_BLOCK_BYTES = 1 << 20


class Inbox:
    """What the relay has put in."""

    def __init__(self, place: Spool, journal: Journal) -> None:
        self._spool = place
        self._journal = journal
        self._stuck: set[str] = set()

    def enrolment(self) -> bytes | None:
        """The platform's answer to the enrolment, if there is one."""
        try:
            with self._spool.place("inbox") as inbox, inbox.folder(spool.ENROLMENT) as folder:
                return folder.read(spool.RESPONSE, spool.SMALL_BYTES_MAX)
        except Invalid:
            return None

    def waiting(self, first: Collection[str] = ()) -> list[str]:
        """The ids of orders, those of the kinds `first` before the others, then the oldest first.

        What is no order's folder is put aside.
        """
        with self._spool.place("inbox") as inbox:
            names = [name for name in inbox.names() if name != spool.ENROLMENT]
            orders = {name for name in names if spool.is_order_id(name) and inbox.is_folder(name)}
            now_s = time.time()
            waiting = sorted(orders - self._stuck, key=lambda name: -inbox.age_s(name, now_s))
        for name in sorted(set(names) - orders):
            self.quarantine(name, Invalid("inbox.not_an_order", "This is no folder of an order."))
        return sorted(waiting, key=lambda name: self.kind_unverified(name) not in first)

    def order_ids(self) -> set[str]:
        """The ids of orders that wait."""
        return self._spool.orders_in("inbox") - self._stuck

    def kind_unverified(self, name: str) -> str | None:
        """The kind that an order says it has, for choosing what to look at first; None where that can't be read."""
        try:
            with self._spool.place("inbox") as inbox, inbox.folder(name) as folder:
                return kind_unverified(folder.read(spool.ORDER, spool.DOCUMENT_BYTES_MAX))
        except (Invalid, OSError):
            return None

    def has(self, name: str) -> bool:
        """Whether there still is an entry of this name."""
        with self._spool.place("inbox") as inbox:
            return inbox.exists(name)

    def quarantine(self, name: str, error: FederationError) -> None:
        """Put an entry aside, once; what can't even be moved is left alone from now on."""
        if name in self._stuck:
            return
        try:
            kept_as = self._spool.quarantine("inbox", name, "quarantine", error.code, error.message)
            self._journal.add("inbox.quarantined", kept_as=kept_as, code=error.code)
            LOG.error("inbox.quarantined", kept_as=kept_as, code=error.code, reason=error.message)
        except (OSError, Invalid) as trouble:
            self._stuck.add(name)
            LOG.error("inbox.stuck", name=name[:100], code=error.code, reason=str(trouble))


def cancellation(folder: SafeDir) -> Callable[[], bool]:
    """Whether the relay has marked an order as cancelled, to be asked at every batch: it looks twice a second."""
    looked_s = -math.inf

    def is_cancelled() -> bool:
        nonlocal looked_s
        now_s = time.monotonic()
        if now_s - looked_s < LOOK_EVERY_S:
            return False
        looked_s = now_s
        return folder.exists(spool.CANCELLED)

    return is_cancelled


def copy_input(folder: SafeDir, name: str, reference: BlobReference, target: Path, size_max: int) -> None:
    """Copy an input to where nobody else writes, and see that it is what the order says.

    Raises Refused ``model.*`` for the model, ``input.*`` for any other.
    """
    prefix = "model" if name == MODEL else "input"
    if reference.size_bytes > size_max:
        raise Refused(f"{prefix}.too_large", f"{name} has {reference.size_bytes} bytes; {size_max} are allowed.")
    try:
        source = folder.open_file(spool.input_file(name), size_max)
    except Invalid as error:
        code = f"{prefix}.unavailable" if error.code == "spool.missing" else f"{prefix}.size_mismatch"
        raise Refused(code, error.message) from error
    with source, target.open("wb", buffering=0) as copy:
        digest, size_bytes = _copy(source, copy, reference.size_bytes)
    if size_bytes != reference.size_bytes:
        raise Refused(f"{prefix}.size_mismatch", f"{name} has {size_bytes} bytes, not {reference.size_bytes}.")
    if digest != reference.digest:
        raise Refused(f"{prefix}.digest_mismatch", f"The digest of {name} is {digest}.")


def _copy(source: BinaryIO, copy: BinaryIO, size_bytes: int) -> tuple[str, int]:
    """Copy a little more than so many bytes at most; the digest and number of what was copied."""
    state, copied = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    while copied <= size_bytes and (count := source.readinto(buffer)):  # type: ignore[attr-defined]
        state.update(buffer[:count])
        copy.write(buffer[:count])
        copied += count
    return "sha256:" + state.hexdigest(), copied
