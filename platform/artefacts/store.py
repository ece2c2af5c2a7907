"""The content-addressed store: a file for each digest, complete or not there at all.

`BLOB_ROOT/sha256/ab/<hex>` holds what is complete, `BLOB_ROOT/uploads/<order>/<hex>.part` what is on its way in,
`BLOB_ROOT/work/` what a worker is writing. All three lie on one file system, so that a rename completes a blob.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from federation.errors import Invalid
from federation.protocol.digests import is_digest


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


def part_path(order_id: UUID, digest: str) -> Path:
    """Where the bytes of an unfinished upload are kept. Parts of two orders never meet."""
    return Path(settings.BLOB_ROOT) / "uploads" / str(order_id) / f"{path_of(digest).name}.part"


def remove_parts(order_id: UUID) -> None:
    """Delete what is left of an order's upload; nothing there is fine."""
    remove_folder(Path(settings.BLOB_ROOT) / "uploads" / str(order_id))


def adopt(file: Path, digest: str) -> None:
    """Make a finished, synced file of this store's file system the blob of this digest."""
    target = path_of(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    file.replace(target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep(data: bytes, digest: str) -> None:
    """Make these bytes, whose digest the caller has checked, a blob."""
    file = Path(settings.BLOB_ROOT) / "work" / f"{uuid4()}.small"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        adopt(file, digest)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def remove(digest: str) -> None:
    """Delete a blob; none there is fine. The caller knows that nothing refers to it."""
    path_of(digest).unlink(missing_ok=True)


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
