"""Outcomes and their way into the outbox: journalled, whole, and byte for byte the same however often it is done."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes, digest_file
from silo_connector import spool
from silo_connector.egress_log import EgressEntry, record
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.store.order_store import Outcome, SentPayload

TMP_PREFIX = "out-"
WORK = "work"
KEPT_NEWEST = 8
"""So many answers, each with all of its payloads."""
KEPT_FOR_S = 24 * 3600.0
_SUFFIX = ".payload"


class Outcomes:
    """The trainer's own copies of payloads, and their hand-over to the relay."""

    def __init__(self, state: Path, place: Spool, journal: Journal) -> None:
        self._state = state
        self._journal = journal
        self._folder = state / "outcomes"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._spool = place

    def payload(self, order_id: str, name: str) -> Path:
        """Where a payload of an order is written and kept. Names are bounded in orders."""
        return self._folder / f"{order_id}.{name}{_SUFFIX}"

    def drop_payloads(self, order_id: str) -> None:
        """Remove what was written for an order that is not answered with it."""
        for file in self._folder.glob(f"{order_id}.*{_SUFFIX}"):
            file.unlink(missing_ok=True)

    def sync(self) -> None:
        """Make the names of payloads durable (their bytes are)."""
        with SafeDir.open(self._folder) as folder:
            folder.sync()

    def hand_over(self, outcome: Outcome) -> None:
        """Put an outcome into the outbox, unless it is there.

        Raises Invalid ``outcome.pruned`` when its payload has been removed since (its order is long over).
        """
        with self._spool.place("outbox") as outbox:
            if outbox.exists(outcome.order_id):
                return
        for sent in outcome.payloads:
            self._check_payload(outcome.order_id, sent)
        self._record(
            *(
                EgressEntry.of_payload(outcome.order_id, sent.name, sent.digest, sent.size_bytes)
                for sent in outcome.payloads
            ),
            EgressEntry("document", digest_bytes(outcome.document), len(outcome.document), outcome.order_id),
        )
        files = {sent.name: self.payload(outcome.order_id, sent.name) for sent in outcome.payloads}
        self.put(outcome.order_id, outcome.document, files)

    def put_journalled(self, document: bytes) -> None:
        """Put a document about a dataset into the outbox. Each has a folder of its own: what was stated before
        stays.
        """
        digest = digest_bytes(document)
        self._record(EgressEntry("dataset", digest, len(document)))
        self.put(spool.dataset_folder(digest), document)

    def put_signature(self, document: bytes, agreement_digest: str) -> None:
        """Put the own organisation's signature on an agreement into the outbox, unless it waits there already."""
        with self._spool.place("outbox") as outbox:
            if outbox.exists(spool.agreement_folder(agreement_digest)):
                return
        self._record(EgressEntry("agreement", digest_bytes(document), len(document)))
        self.put(spool.agreement_folder(agreement_digest), document)

    def put_review(self, document: bytes) -> None:
        """Put a review of a training plan into the outbox, unless it waits there already."""
        digest = digest_bytes(document)
        with self._spool.place("outbox") as outbox:
            if outbox.exists(spool.review_folder(digest)):
                return
        self._record(EgressEntry("review", digest, len(document)))
        self.put(spool.review_folder(digest), document)

    def _record(self, *departures: EgressEntry) -> None:
        """In both journals before it is in the outbox: the one that is read, and the one that is chained."""
        record(self._state, *departures)
        for departure in departures:
            self._journal.add("sent", durable=departure is departures[-1], **departure.fields)

    def put(self, name: str, document: bytes, payloads: Mapping[str, Path] = MappingProxyType({})) -> None:
        """Write a folder of the outbox beside it and rename it into place."""
        partial = TMP_PREFIX + name
        with self._spool.place("tmp") as tmp, self._spool.place("outbox") as outbox:
            tmp.remove(partial)
            with tmp.make_folder(partial) as folder:
                folder.write(spool.DOCUMENT, document)
                for output, payload in payloads.items():
                    folder.link_or_copy(payload, spool.output_file(output))
                folder.sync()
            tmp.move(partial, outbox, name)

    def prune(self) -> None:
        """Remove payloads that nobody will ask for again: not waiting in the outbox, and neither new nor recent.

        An answer's payloads stay together: half an answer is of no use.
        """
        waiting = self._spool.orders_in("outbox")
        answers: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self._folder.iterdir():
            answers[file.name.partition(".")[0]].append(file)
        written_at_s = {order_id: max(file.stat().st_mtime for file in files) for order_id, files in answers.items()}
        oldest_s = time.time() - KEPT_FOR_S
        for rank, order_id in enumerate(sorted(answers, key=written_at_s.__getitem__, reverse=True)):
            if order_id not in waiting and (rank >= KEPT_NEWEST or written_at_s[order_id] < oldest_s):
                for file in answers[order_id]:
                    file.unlink(missing_ok=True)

    def _check_payload(self, order_id: str, sent: SentPayload) -> None:
        path = self.payload(order_id, sent.name)
        if not path.exists() or digest_file(path) != sent.digest:
            raise Invalid("outcome.pruned", f"The payload {sent.name} of {order_id} is no longer here.")


@contextlib.contextmanager
def work_room(state: Path, order_id: str) -> Iterator[Path]:
    """A folder of its own for an order's work in progress, empty at first, and gone afterwards.

    Another order may be carried out meanwhile: its folder is another one.
    """
    room = state / WORK / order_id
    make_room(room).close()
    try:
        yield room
    finally:
        with SafeDir.open(room.parent) as work:
            work.remove(order_id)


def make_room(folder: Path) -> SafeDir:
    """An empty folder of ours for work in progress."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    opened = SafeDir.open(folder)
    for name in opened.names():
        opened.remove(name)
    return opened
