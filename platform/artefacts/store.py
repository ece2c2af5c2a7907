"""The content-addressed store: a file for each digest, complete or not there at all.

`BLOB_ROOT/sha256/ab/<hex>` holds what is complete, `BLOB_ROOT/uploads/<order>/<name>.<hex>.part` what is on its way in
for an output of an order, `BLOB_ROOT/work/` what a worker is writing. All three lie on one file system, so that a
rename completes a blob.

Blobs are shared: two rows may name one digest, and one may be put while another that is equal is being deleted. So a
blob is completed, and is deleted, under a lock of its folder (`locks/ab`), and what is put before the row that names it
has a mark (`puts/<hex>.<name>`) until that row is committed. Who deletes asks for rows and marks with the lock in hand.
"""

import fcntl
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from federation.errors import Invalid
from federation.protocol.digests import is_digest

FOLDERS_AT_ONCE = 32
"""Of the 256 folders so many are locked for one question to the database: a putter waits for no longer than that."""
PUT_WITHIN_S = 3600.0
"""A mark that is older was left behind by a process that died: the row which was to come will not come any more."""


def path_of(digest: str) -> Path:
    """Where the blob of this digest is, or would be. Raises Invalid ``blob.digest`` unless it is a digest."""
    if not is_digest(digest):
        raise Invalid("blob.digest", "A digest is written sha256: and 64 hex digits.")
    hex_digits = digest.removeprefix("sha256:")
    return Path(settings.BLOB_ROOT) / "sha256" / hex_digits[:2] / hex_digits


def size_bytes(digest: str) -> int | None:
    """The size of a complete blob, or None when it is not there."""
    try:
        return path_of(digest).stat().st_size
    except FileNotFoundError:
        return None


def read_small(digest: str, size_bytes_max: int) -> bytes | None:
    """The bytes of a blob that is no larger than this; None for a larger one, or one that is not there."""
    try:
        with path_of(digest).open("rb", 0) as stream:
            data = stream.read(size_bytes_max + 1)
    except FileNotFoundError:
        return None
    return data if data is not None and len(data) <= size_bytes_max else None


def part_path(order_id: UUID, name: str, digest: str) -> Path:
    """Where the bytes of an unfinished upload are kept, for an output of this name.

    Parts of two orders never meet, nor do those of two outputs of one order that happen to be equal.
    """
    return Path(settings.BLOB_ROOT) / "uploads" / str(order_id) / f"{name}.{path_of(digest).name}.part"


def remove_parts(order_id: UUID) -> None:
    """Delete what is left of an order's upload; nothing there is fine."""
    remove_folder(Path(settings.BLOB_ROOT) / "uploads" / str(order_id))


def commit_file(file: Path, digest: str, *, is_named: bool = False) -> Path | None:
    """Make a finished, synced file of this store's file system the blob of this digest.

    Unless a committed row names it already (`is_named`), it is marked, so that nobody deletes it: the caller gives the
    mark to `release` once such a row is committed.
    """
    target = path_of(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent.name):
        mark = None if is_named else _marked(digest)
        file.replace(target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return mark


def put_bytes(data: bytes, digest: str) -> Path | None:
    """Make these bytes, whose digest the caller has checked, a blob; its mark, as `commit_file` gives it."""
    file = new_file()
    try:
        with file.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        return commit_file(file, digest)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def release(*marks: Path | None) -> None:
    """The rows that name what was put are committed."""
    for mark in marks:
        if mark is not None:
            mark.unlink(missing_ok=True)


def remove_unneeded(digests: Collection[str], needed: Callable[[Collection[str]], set[str]]) -> int:
    """Delete those of these blobs that nobody needs: how many were there.

    `needed` says which of some digests rows name. It is asked for those of several folders at once, with these folders
    locked: what is put afterwards is put again.
    """
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for digest in digests:
        folders[path_of(digest).parent.name].append(digest)
    removed = 0
    names = sorted(folders)
    for begin in range(0, len(names), FOLDERS_AT_ONCE):
        some = names[begin : begin + FOLDERS_AT_ONCE]
        with ExitStack() as locks:
            for name in some:  # in one order for all: two that delete never wait for one another in a ring
                locks.enter_context(_locked(name))
            # marks first: who takes one off in between has committed the row that `needed` then finds
            marked = _marked_names()
            unmarked = [digest for name in some for digest in set(folders[name]) if path_of(digest).name not in marked]
            for digest in set(unmarked) - needed(unmarked):
                removed += size_bytes(digest) is not None
                path_of(digest).unlink(missing_ok=True)
    return removed


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """For threads, processes and, where the file system can, machines."""
    path = Path(settings.BLOB_ROOT) / "locks" / folder
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _marked(digest: str) -> Path:
    mark = Path(settings.BLOB_ROOT) / "puts" / f"{path_of(digest).name}.{uuid4()}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch(mode=0o660)
    return mark


def _marked_names() -> set[str]:
    """What somebody has put who has not committed yet. Marks that were left behind are deleted."""
    found = set()
    for mark in (Path(settings.BLOB_ROOT) / "puts").glob("*.*"):
        if _touched_at(mark) < time.time() - PUT_WITHIN_S:
            mark.unlink(missing_ok=True)
        else:
            found.add(mark.name.partition(".")[0])
    return found


def new_file() -> Path:
    """A name for a file on the store's file system that nobody else has."""
    file = Path(settings.BLOB_ROOT) / "work" / f"{uuid4()}.file"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def new_folder() -> Path:
    """A fresh folder to write in, on the store's file system."""
    folder = Path(settings.BLOB_ROOT) / "work" / str(uuid4())
    folder.mkdir(parents=True)
    return folder


def remove_folder(folder: Path) -> None:
    """Delete a folder of this store, with what is left in it."""
    shutil.rmtree(folder, ignore_errors=True)


def digests_older_than(age_s: float) -> Iterator[str]:
    """The digests of complete blobs that have lain here for so long."""
    limit = time.time() - age_s
    for file in (Path(settings.BLOB_ROOT) / "sha256").glob("??/*"):
        try:
            if file.stat().st_mtime < limit:
                yield f"sha256:{file.name}"
        except FileNotFoundError:
            continue


def remove_abandoned(older_than_s: float) -> int:
    """Delete unfinished uploads, work folders and files that nobody has touched for so long. Returns how many."""
    removed, limit = 0, time.time() - older_than_s
    for area in ("uploads", "work"):
        for found in (Path(settings.BLOB_ROOT) / area).glob("*"):
            entries = found.iterdir() if found.is_dir() else ()
            if max((entry.stat().st_mtime for entry in entries), default=_touched_at(found)) < limit:
                if found.is_dir():
                    remove_folder(found)
                else:
                    found.unlink(missing_ok=True)
                removed += 1
    return removed


def _touched_at(path: Path) -> float:
    """When it was last changed; now, when it has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
