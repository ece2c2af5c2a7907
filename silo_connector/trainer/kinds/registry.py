"""The kinds of order that this connector carries out: one module of this package each, found by looking.

To add one, add a file with a ``KIND``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from federation.discovery import Offers
from silo_connector.trainer.kinds.kind import AnyKind
from silo_connector.trainer.refusals import Refused

KINDS: Mapping[str, AnyKind] = Offers("silo_connector.trainer.kinds", "KIND")


class Kinds:
    """Kinds of order by their name."""

    def __init__(self, kinds: Iterable[AnyKind] | None = None) -> None:
        found: dict[str, AnyKind] = {}
        for kind in KINDS.values() if kinds is None else kinds:
            if kind.name in found:
                raise ValueError(f"Two kinds are called {kind.name!r}.")
            found[kind.name] = kind
        self.by_name: Mapping[str, AnyKind] = MappingProxyType(found)
        self.urgent = frozenset(kind.name for kind in found.values() if kind.is_urgent)
        self.begin_rounds = frozenset(kind.name for kind in found.values() if kind.begins_round)

    def find(self, name: str) -> AnyKind:
        """The kind of this name. Raises Refused ``order.kind_not_supported``."""
        kind = self.by_name.get(name)
        if kind is None:
            raise Refused("order.kind_not_supported", f"Orders of kind {name[:40]!r} are not carried out.")
        return kind
