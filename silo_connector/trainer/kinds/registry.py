"""The kinds of order that this connector carries out. A new one is a module beside this, and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from silo_connector.trainer.kinds.audit_checkpoint import AuditCheckpointKind
from silo_connector.trainer.kinds.evaluate import EvaluateKind
from silo_connector.trainer.kinds.kind import AnyKind
from silo_connector.trainer.kinds.train import TrainKind
from silo_connector.trainer.refusals import Refused

KINDS: tuple[AnyKind, ...] = (
    TrainKind(),
    EvaluateKind(),
    AuditCheckpointKind(),
)


class Kinds:
    """Kinds of order by their name."""

    def __init__(self, kinds: Iterable[AnyKind] = KINDS) -> None:
        found: dict[str, AnyKind] = {}
        for kind in kinds:
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
