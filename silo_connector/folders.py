"""Directories that somebody else writes into too: nothing in them is followed, waited for or trusted in size."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from federation.errors import Invalid

NAMES_MAX = 20_000
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SafeDir:
    """An open directory. Names are single path components; links, pipes and devices among them are refused.

    Every refusal is an Invalid with a code ``spool.*``; a name in the error, never a content.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name

    @classmethod
    def open(cls, path: Path) -> SafeDir:
        """The directory at a path that we chose ourselves. Raises Invalid ``spool.missing``."""
        try:
            return cls(os.open(path, _DIRECTORY), path.name)
        except OSError as error:
            raise Invalid("spool.missing", f"{path} is no folder that can be opened ({error.strerror}).") from error

    def __enter__(self) -> SafeDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the directory back to the system."""
        os.close(self._descriptor)

    def names(self) -> list[str]:
        """What is in it, sorted. Raises Invalid ``spool.too_many`` beyond a bound."""
        names: list[str] = []
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > NAMES_MAX:
                    raise Invalid("spool.too_many", f"{self.name} has more than {NAMES_MAX} entries.")
        return sorted(names)

    def exists(self, name: str) -> bool:
        """Whether there is anything of this name (a dangling link counts)."""
        return self._mode(name) is not None

    def is_folder(self, name: str) -> bool:
        """Whether it is a directory itself, not a link to one."""
        mode = self._mode(name)
        return mode is not None and stat.S_ISDIR(mode)

    def age_s(self, name: str, now_s: float) -> float:
        """Seconds since it was last changed; 0 when it is gone."""
        try:
            return now_s - os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mtime
        except OSError:
            return 0.0

    def folder(self, name: str) -> SafeDir:
        """A directory in it. Raises Invalid ``spool.missing`` or ``spool.not_regular`` (a link, a file)."""
        try:
            return SafeDir(os.open(_component(name), _DIRECTORY, dir_fd=self._descriptor), name)
        except OSError as error:
            raise self._refusal(name, error) from error

    def make_folder(self, name: str) -> SafeDir:
        """A directory in it, made if it is not there."""
        with contextlib.suppress(FileExistsError):  # then it has to be a directory, which opening it finds out
            os.mkdir(_component(name), dir_fd=self._descriptor)
        return self.folder(name)

    def open_file(self, name: str, size_max: int) -> BinaryIO:
        """A regular file of at most so many bytes, open for reading.

        Raises Invalid ``spool.missing``, ``spool.not_regular``, ``spool.too_large``.
        """
        try:
            descriptor = os.open(_component(name), _READ, dir_fd=self._descriptor)
        except OSError as error:
            raise self._refusal(name, error) from error
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise Invalid("spool.not_regular", f"{self.name}/{name} is no regular file.")
        if found.st_size > size_max:
            os.close(descriptor)
            raise Invalid("spool.too_large", f"{self.name}/{name} has {found.st_size} bytes, allowed are {size_max}.")
        return os.fdopen(descriptor, "rb", buffering=0)

    def read(self, name: str, size_max: int) -> bytes:
        """The bytes of a regular file, at most so many (also if it grows meanwhile)."""
        with self.open_file(name, size_max) as stream:
            data = bytearray()
            while block := stream.read(min(size_max + 1 - len(data), 1 << 20)):
                data += block
                if len(data) > size_max:
                    raise Invalid("spool.too_large", f"{self.name}/{name} grew beyond {size_max} bytes.")
        return bytes(data)

    def create(self, name: str, mode: int = 0o660) -> BinaryIO:
        """A new file for writing, in place of whatever had the name (unless that is a directory)."""
        if self.exists(name):
            os.unlink(_component(name), dir_fd=self._descriptor)
        return os.fdopen(os.open(_component(name), _CREATE, mode, dir_fd=self._descriptor), "wb")

    def append(self, name: str) -> BinaryIO:
        """A regular file opened for writing at its end, made if it is not there."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(_component(name), flags, 0o660, dir_fd=self._descriptor)
        except OSError as error:
            raise self._refusal(name, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Invalid("spool.not_regular", f"{self.name}/{name} is no regular file.")
        return os.fdopen(descriptor, "r+b", buffering=0)

    def write(self, name: str, data: bytes, *, durable: bool = True, mode: int = 0o660) -> None:
        """A new file with these bytes; if durable, they are on the disk when this returns."""
        with self.create(name, mode) as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())

    def replace(self, name: str, data: bytes, *, durable: bool = True, mode: int = 0o660) -> None:
        """Put a file in place at once: readers see the old bytes or the new, never a part."""
        partial = f".{name}.partial"
        self.write(partial, data, durable=durable, mode=mode)
        os.replace(partial, _component(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        if durable:
            self.sync()

    def link_or_copy(self, source: Path, name: str) -> None:
        """Give a file of ours a second name here; where it is another file system, copy it durably."""
        try:
            os.link(source, _component(name), dst_dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
                raise
            with source.open("rb") as origin, self.create(name) as copy:
                shutil.copyfileobj(origin, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())

    def move(self, name: str, target: SafeDir, new_name: str | None = None, *, durable: bool = True) -> None:
        """Rename into another directory of the same file system."""
        new = _component(new_name or name)
        os.rename(_component(name), new, src_dir_fd=self._descriptor, dst_dir_fd=target._descriptor)
        if durable:
            target.sync()

    def remove(self, name: str) -> None:
        """Remove a file, a link (not what it points to) or a whole directory; nothing if it is gone.

        A tree that is nested too deeply to be removed stays where it is.
        """
        with contextlib.suppress(FileNotFoundError, RecursionError):
            if self.is_folder(name):
                shutil.rmtree(_component(name), dir_fd=self._descriptor)
            else:
                os.unlink(_component(name), dir_fd=self._descriptor)

    def sync(self) -> None:
        """Make names durable."""
        os.fsync(self._descriptor)

    def _mode(self, name: str) -> int | None:
        try:
            return os.stat(_component(name), dir_fd=self._descriptor, follow_symlinks=False).st_mode
        except OSError:
            return None

    def _refusal(self, name: str, error: OSError) -> Invalid:
        if error.errno == errno.ENOENT:
            return Invalid("spool.missing", f"{self.name} has no {name}.")
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
            return Invalid("spool.not_regular", f"{self.name}/{name} is a link or of another kind than expected.")
        return Invalid("spool.unreadable", f"{self.name}/{name} can't be opened ({error.strerror}).")


def _component(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(os.fsencode(name)) > 255:
        raise Invalid("spool.name", "This is no name of a file.")
    return name
