"""How a version of a model does at each silo, and two versions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from registry.models import ModelVersion
from silos.models import Silo
from training.models import Evaluation, Job
from training.reading.rows import EvaluationRow
from training.transitions import OrderState


@dataclass(frozen=True)
class Difference:
    """One figure of two versions."""

    name: str
    this: float | None
    that: float | None

    @property
    def change(self) -> float | None:
        """From this to that."""
        return None if self.this is None or self.that is None else self.that - self.this


@dataclass(frozen=True)
class AtSilo:
    """One silo's figures of one version, and of another beside it."""

    silo: Silo
    row: EvaluationRow | None
    beside: EvaluationRow | None

    @property
    def accuracy(self) -> Difference:
        """Both accuracies."""
        return Difference(
            self.silo.name, self.row.accuracy if self.row else None, self.beside.accuracy if self.beside else None
        )


def at_silos(job: Job | None, version: ModelVersion, beside: ModelVersion | None) -> list[AtSilo]:
    """Every silo that has tried one of the two, by its name; its last try counts. Small numbers are left out."""
    found: dict[tuple[UUID, UUID], EvaluationRow] = {}
    minimum_cell = int(job.request["limits"]["minimum_cell"]) if job else 5
    tried = Evaluation.objects.filter(version__in=filter(None, (version, beside)), order__state=OrderState.APPLIED)
    wanted = tried.select_related("silo__organisation").defer("silo__statement", "silo__certificate")
    for one in wanted.order_by("order__settled_at"):
        found[one.version_id, one.silo_id] = EvaluationRow(one, minimum_cell)
    silos = {row.silo.id: row.silo for row in found.values()}
    return [
        AtSilo(silo, found.get((version.id, silo.id)), found.get((beside.id, silo.id)) if beside else None)
        for silo in sorted(silos.values(), key=lambda silo: (silo.organisation.name, silo.name))
    ]


def differences(version: ModelVersion, beside: ModelVersion) -> Sequence[Difference]:
    """The figures over all silos of both."""
    return [
        Difference(name.capitalize(), version.metrics.get(name), beside.metrics.get(name))
        for name in ("accuracy", "loss", "silos")
    ]
