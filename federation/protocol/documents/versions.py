"""Versions of the protocol: "major.minor". Another major is another protocol; a later minor adds fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.errors import Invalid

MAJOR = 1
CURRENT = "1.1"
"""What is written."""
OUTDATED = "1.0"
"""What is still read, for evidence (``version_1_0``), and authorises nothing."""
READ = frozenset({OUTDATED, CURRENT})
"""The versions of which every field is known."""
VERSION_PATTERN = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"


def version_in(data: Mapping[str, Any]) -> str:
    """The version that a parsed document says, as it is; the current one where it says none.

    Raises Invalid ``protocol.version`` for what is no version, and for another major.
    """
    version = data.get("protocol", CURRENT)
    try:
        major, _minor = map(int, version.split(".")) if isinstance(version, str) else (None, None)
    except ValueError:
        major = None
    if major != MAJOR:
        raise Invalid("protocol.version", f"This side speaks protocol {MAJOR}, up to {CURRENT}.", "protocol")
    return str(version)


def check_major(version: str) -> str:
    """For pydantic: the version, if it is of this major."""
    if not version.startswith(f"{MAJOR}."):
        raise ValueError(f"This side speaks protocol {MAJOR}.")
    return version


def is_later(version: str) -> bool:
    """Whether a version may have fields that are not known here."""
    return version not in READ


def check_authorises(version: str, what: str) -> None:
    """Raise Invalid ``protocol.outdated`` for 1.0: it is verified as evidence, and nothing is done because of it."""
    if version == OUTDATED:
        raise Invalid(
            "protocol.outdated",
            f"{what} is of protocol {OUTDATED}, which authorises nothing any more. Upgrade to version 0.2 or later.",
            "protocol",
        )
