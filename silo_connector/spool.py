"""The spool: the only way between relay and trainer, one folder an order, written whole and renamed into place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from silo_connector.folders import SafeDir

ORDER = "order.dsse.json"
MANIFEST = "manifest.dsse.json"
AGREEMENT = "agreement.json"
SUCCESSIONS = "successions.json"
CANCELLED = "cancelled"
DOCUMENT = "document.dsse.json"
REASON = "reason.json"
ENROLMENT = "enrolment"
STATEMENT = "statement.dsse.json"
CERTIFICATE = "certificate.dsse.json"
RESPONSE = "response.json"
STATUS = "status.json"

DOCUMENT_BYTES_MAX = 4 << 20
SMALL_BYTES_MAX = 64 << 10
PLACES = ("inbox", "outbox", "tmp", "dead", "quarantine")
_LEFTOVER_AGE_S = 24 * 3600
_DELETING = "deleting-"
_DATASET = re.compile(r"dataset-[0-9a-f]{16}")
_REVIEW = re.compile(r"review-[0-9a-f]{32}")
_ARTEFACT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_AGREEMENT = re.compile(r"agreement-[0-9a-f]{32}")
KEPT_ASIDE_MAX = 100


def input_file(name: str) -> str:
    """The file in an order's folder that holds the input of this name; names are bounded in orders."""
    return f"input-{name}"


def output_file(name: str) -> str:
    """The file in a folder of the outbox that holds the payload of this name."""
    return f"output-{name}"


def is_artefact_name(name: object) -> bool:
    """Whether this may be the name of an input or an output, and so become part of a file's name."""
    return isinstance(name, str) and _ARTEFACT.fullmatch(name) is not None


def is_order_id(name: str) -> bool:
    """Whether a name is a UUID in its canonical form, and may so become part of a path."""
    try:
        return str(UUID(name)) == name
    except (ValueError, TypeError, AttributeError):
        return False


def dataset_folder(digest: str) -> str:
    """The name in the outbox of a document about a dataset: its registration, or its withdrawal."""
    return f"dataset-{digest.rpartition(':')[2][:16]}"


def is_dataset_folder(name: str) -> bool:
    """Whether a name in the outbox is that of a document about a dataset."""
    return _DATASET.fullmatch(name) is not None


def agreement_folder(digest: str) -> str:
    """The name in the outbox of the own organisation's signature on an agreement of this hash."""
    return f"agreement-{digest.rpartition(':')[2][:32]}"


def is_agreement_folder(name: str) -> bool:
    """Whether a name in the outbox is that of a signature on an agreement."""
    return _AGREEMENT.fullmatch(name) is not None


def review_folder(digest: str) -> str:
    """The name in the outbox of a review of a training plan; the digest is that of the sealed review."""
    return f"review-{digest.rpartition(':')[2][:32]}"


def is_review_folder(name: str) -> bool:
    """Whether a name in the outbox is that of a review of a training plan."""
    return _REVIEW.fullmatch(name) is not None


def is_outgoing(name: str) -> bool:
    """Whether the relay sends what lies in the outbox under this name."""
    kinds = (is_order_id, is_dataset_folder, is_agreement_folder, is_review_folder)
    return any(is_kind(name) for is_kind in kinds)


class Spool:
    """The directory that both processes share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """Make what is missing of it."""
        for place in PLACES:
            (self.root / place).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[SafeDir]:
        """One of inbox, outbox, tmp, dead, quarantine, opened."""
        with SafeDir.open(self.root / name) as folder:
            yield folder

    def orders_in(self, place: str) -> set[str]:
        """The order ids that have a folder there (links and files of such a name don't count)."""
        with self.place(place) as folder:
            return {name for name in folder.names() if is_order_id(name) and folder.is_folder(name)}

    def recent_orders_in(self, place: str, age_max_s: float) -> set[str]:
        """Those of them that were put there not longer ago than this."""
        now_s = time.time()
        with self.place(place) as folder:
            names = {name for name in folder.names() if is_order_id(name) and folder.is_folder(name)}
            return {name for name in names if folder.age_s(name, now_s) <= age_max_s}

    def delete_atomically(self, place: str, name: str) -> None:
        """Remove an entry: gone for readers at once, from the disk a moment later."""
        with self.place(place) as source, self.place("tmp") as tmp:
            doomed = f"{_DELETING}{os.getpid()}-{_short(name)}"
            tmp.remove(doomed)
            with contextlib.suppress(FileNotFoundError):  # the other process may have been quicker
                source.move(name, tmp, doomed, durable=False)
                tmp.remove(doomed)

    def quarantine(self, place: str, name: str, target: str, code: str, message: str) -> str:
        """Move an entry to ``dead`` or ``quarantine``, the reason beside it; the oldest make room. Its name there."""
        kept_as = name if is_outgoing(name) else f"odd-{_short(name)}"
        with self.place(place) as source, self.place(target) as folder:
            entries = [entry for entry in folder.names() if not entry.endswith(REASON)]
            now_s = time.time()
            entries.sort(key=lambda entry: -folder.age_s(entry, now_s))
            for oldest in entries[: max(0, len(entries) - KEPT_ASIDE_MAX + 1)]:
                folder.remove(oldest)
                folder.remove(f"{oldest}.{REASON}")
            folder.remove(kept_as)
            source.move(name, folder, kept_as)
            folder.replace(f"{kept_as}.{REASON}", _reason(code, message))
        return kept_as

    def close_aside(self, place: str, name: str) -> None:
        """Mark something set aside as over: kept for people to look at, no longer held."""
        with self.place(place) as folder:
            if folder.exists(name):
                folder.remove(f"{name}.over")
                folder.move(name, folder, f"{name}.over")

    def drop_from_before_boot(self, boot_time_s: float) -> None:
        """Remove orders that came in before the machine started: they were not written durably, and are given again."""
        for order_id in self.orders_in("inbox"):
            with self.place("inbox") as inbox:
                stale = time.time() - inbox.age_s(order_id, time.time()) < boot_time_s
            if stale:
                self.delete_atomically("inbox", order_id)

    def sweep(self, prefix: str) -> None:
        """Remove what crashes left in tmp under our prefix, once it is a day old; and all that was on its way out."""
        now_s = time.time()
        with self.place("tmp") as tmp:
            for name in tmp.names():
                # "gone-" is how versions before 0.2 named it
                if name.startswith((_DELETING, "gone-")) or (
                    name.startswith(prefix) and tmp.age_s(name, now_s) > _LEFTOVER_AGE_S
                ):
                    tmp.remove(name)


def boot_time_s(proc: Path = Path("/proc")) -> float:
    """When this machine started, in seconds since the epoch; 0 where that can't be found out."""
    try:
        lines = (proc / "stat").read_text().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("btime ")))
    except (OSError, StopIteration, ValueError, IndexError):
        return 0.0


def _short(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _reason(code: str, message: str) -> bytes:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"code": code, "message": message, "at": at}).encode()
