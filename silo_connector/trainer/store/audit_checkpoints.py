"""The heads of the platform's audit log that were countersigned here, as they are kept."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from federation.protocol.tree_heads import TreeHead
from silo_connector.folders import SafeDir
from silo_connector.journal import all_entries, entries

FILE = "checkpoints.json"
SIGNED = "checkpoint.countersigned"
KEEPING = "checkpoint.keeping"
"""A head is about to be kept: what is kept without such a line shows that the journal was put back."""
LOG_ACCEPTED = "log.accepted"
"""The organisation accepted another log of a chain: from this line of the journal on, that one is kept."""


def stored_heads(state: Path) -> dict[str, TreeHead]:
    """What is kept of each chain; nothing where the file is not there. Raises Invalid ``checkpoints.unreadable``."""
    try:
        text = (state / FILE).read_text()
    except FileNotFoundError:
        return {}
    try:
        return {str(name): _head(body) for name, body in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("checkpoints.unreadable", f"{state / FILE} is damaged: restore it from a backup.") from error


def _head(statement: Mapping[str, Any]) -> TreeHead:
    root = statement.get("root")
    return TreeHead(int(statement["position"]), str(statement["digest"]), None if root is None else str(root))


def heads_seen(state: Path) -> dict[str, set[TreeHead]]:
    """Every head that was ever countersigned here, by chain: what is kept, and the journal's.

    The newest alone would not do for what was signed without proofs, under protocol 1.0: anyone who rewrote history
    and had it grow past that one before the next order, or shows a record that ends before it, is found by those that
    were signed earlier. Raises as `stored_heads`.
    """
    found: dict[str, set[TreeHead]] = defaultdict(set)
    for chain, kept in stored_heads(state).items():
        found[chain].add(kept)
    newest = {chain: set(heads) for chain, heads in found.items()}
    for entry in all_entries(state):
        match entry:
            case {"event": event, "chain": str(chain), "position": int(position), "digest": str(digest)} if (
                event == SIGNED
            ):
                root = entry.get("root")
                found[chain].add(TreeHead(position, digest, root if isinstance(root, str) else None))
            case {"event": event, "chain": str(chain)} if event == LOG_ACCEPTED:
                found[chain] = set(newest.get(chain, ()))  # what was before is `abandoned_heads`
    return found


def abandoned_heads(state: Path) -> dict[str, set[TreeHead]]:
    """The heads that were abandoned, by chain, as the organisation accepted another log: no log leads through them."""
    found: dict[str, set[TreeHead]] = defaultdict(set)
    for entry in entries(state, LOG_ACCEPTED):
        match entry:
            case {"chain": str(chain), "kept": dict(said)}:
                found[chain].add(_head(said))
    return found


def replace_head(state: Path, chain: str, head: TreeHead) -> None:
    """Keep another head of a chain, as the organisation has accepted. Raises as `stored_heads`."""
    store_heads(state, {**stored_heads(state), chain: head})


def raise_heads(state: Path, known: Mapping[str, TreeHead]) -> None:
    """Keep at least these heads: what was lost is taken from the journal again. Raises as `stored_heads`."""
    kept = stored_heads(state)
    behind = {
        chain: head
        for chain, head in known.items()
        if chain not in kept or (kept[chain] != head and kept[chain].position <= head.position)
    }
    if behind:
        store_heads(state, {**kept, **behind})


def store_heads(state: Path, kept: Mapping[str, TreeHead]) -> None:
    """Keep these heads, and no others: on disk when this returns."""
    content = {name: asdict(one) for name, one in kept.items()}
    with SafeDir.open(state) as folder:
        folder.replace(FILE, json.dumps(content, indent=1).encode())
