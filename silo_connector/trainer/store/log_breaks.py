"""Where the platform's audit log does not follow from the head that is kept here: what is shown, and who accepted it.

A log breaks where a platform was restored from a backup, or where somebody rewrites it: from here both look the same.
So no later head is countersigned until the organisation's word is given (``silo-connector accept-log``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from federation.protocol.documents import now
from federation.protocol.tree_heads import FORKED, GOES_BACK, TreeHead
from silo_connector.folders import SafeDir

FILE = "log_breaks.json"
OLDER = "platform.older"
"""The journal's event, once a break; also where an order's number was used before."""
BREAKS = frozenset({GOES_BACK, FORKED})
ACCEPTED_KEPT = 50


@dataclass(frozen=True)
class Break:
    """The head that is kept, and the newest one that was shown and does not follow from it."""

    kept: TreeHead
    shown: TreeHead
    noted_at: str


@dataclass
class Breaks:
    """By chain: the breaks that nobody has accepted, and the newest acceptance (an envelope)."""

    unaccepted: dict[str, Break] = field(default_factory=dict)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)


def stored_breaks(state: Path) -> Breaks:
    """What is kept; nothing where the file is not there. Raises Invalid ``log_breaks.unreadable``."""
    try:
        body = json.loads((state / FILE).read_text())
        unaccepted = body["unaccepted"] if "unaccepted" in body else body["standing"]  # as version 0.1 wrote it
        return Breaks({name: _break(one) for name, one in unaccepted.items()}, dict(body["accepted"]))
    except FileNotFoundError:
        return Breaks()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            "log_breaks.unreadable",
            f"{state / FILE} is damaged: remove it. The next order shows whether there is a break.",
        ) from error


def note_break(state: Path, chain: str, kept: TreeHead, shown: TreeHead) -> bool:
    """Keep that a head was shown which does not follow; whether this break is new."""
    found = stored_breaks(state)
    before = found.unaccepted.get(chain)
    is_new = before is None or before.kept != kept
    noted_at = now().isoformat() if before is None or is_new else before.noted_at
    found.unaccepted[chain] = Break(kept, shown, noted_at)
    _write(state, found)
    return is_new


def end_break(state: Path, chain: str, acceptance: dict[str, Any]) -> None:
    """The organisation has accepted the other log: its word is kept, for the platform."""
    found = stored_breaks(state)
    found.unaccepted.pop(chain, None)
    found.accepted.pop(chain, None)
    found.accepted = {**dict(list(found.accepted.items())[1 - ACCEPTED_KEPT :]), chain: acceptance}
    _write(state, found)


def _break(statement: Mapping[str, Any]) -> Break:
    return Break(TreeHead(**statement["kept"]), TreeHead(**statement["shown"]), str(statement["noted_at"]))


def _write(state: Path, breaks: Breaks) -> None:
    content = {
        "unaccepted": {name: asdict(one) for name, one in breaks.unaccepted.items()},
        "accepted": breaks.accepted,
    }
    with SafeDir.open(state) as folder:
        folder.replace(FILE, json.dumps(content, indent=1).encode())
