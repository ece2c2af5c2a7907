"""The site's own hard limits, ``policy.toml``: read where connector.toml says, and again when the file changes."""

from __future__ import annotations

from pathlib import Path

from federation.agreements.policy import Policy
from federation.errors import Invalid
from silo_connector.settings_reading import read_settings

SAMPLE = "policy.sample.toml"
_BYTES_MAX = 1 << 20


def load_policy(path: Path | None) -> Policy:
    """The policy in a file, or the defaults where none is configured.

    Raises Invalid ``policy.unreadable``, or ``policy.invalid`` with all that is wrong: line, key, what is expected.
    """
    if path is None:
        return Policy()
    try:
        with path.open("rb") as stream:
            text = stream.read(_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise Invalid("policy.unreadable", f"{path} can't be read ({reason}).") from error
    return read_settings(Policy, path, text, "policy.invalid", SAMPLE)


class PolicyFile:
    """The policy as it stands now. A file that can't be used raises each time: nothing is allowed under it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._policy: Policy | None = None

    def now(self) -> Policy:
        """The limits that hold now. Raises as `load_policy`."""
        version = self._seen()
        if self._policy is None or version != self._version:
            self._policy = None
            self._policy = load_policy(self._path)
            self._version = version
        return self._policy

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
