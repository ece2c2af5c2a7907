"""How a version of a model does at each silo, and two versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from federation.targets import Metric, Target
from registry.models import ModelVersion
from rest.figures import NOTHING, figure_written
from silos.models import Silo
from training.models import Evaluation, Job
from training.reading.rows import EvaluationRow
from training.transitions import OrderState


@dataclass(frozen=True)
class Difference:
    """One figure of two versions, as it is written."""

    metric: Metric
    figures: Mapping[str, object]
    others: Mapping[str, object]

    @property
    def this(self) -> str:
        """Of the one."""
        return figure_written(self.metric, self.figures.get(self.metric.name))

    @property
    def that(self) -> str:
        """Of the other."""
        return figure_written(self.metric, self.others.get(self.metric.name))

    @property
    def change(self) -> str:
        """From this to that."""
        this, that = self.figures.get(self.metric.name), self.others.get(self.metric.name)
        if not isinstance(this, int | float) or not isinstance(that, int | float):
            return NOTHING
        return ("+" if that > this else "") + figure_written(self.metric, that - this)


@dataclass(frozen=True)
class AtSilo:
    """One silo's figures of one version, and of another beside it."""

    silo: Silo
    target: Target
    row: EvaluationRow | None
    beside: EvaluationRow | None

    @property
    def differences(self) -> Sequence[Difference]:
        """The figures of both."""
        return _differences(self.target, *(one.figures if one else {} for one in (self.row, self.beside)))


def at_silos(job: Job | None, version: ModelVersion, beside: ModelVersion | None) -> list[AtSilo]:
    """Every silo that has tried one of the two, by its name; its last try counts. Small numbers are left out."""
    found: dict[tuple[UUID, UUID], EvaluationRow] = {}
    minimum_cell = int(job.request["limits"]["minimum_cell"]) if job else 5
    tried = Evaluation.objects.filter(version__in=filter(None, (version, beside)), order__state=OrderState.APPLIED)
    wanted = tried.select_related("silo__organisation").defer("silo__statement", "silo__certificate")
    for one in wanted.order_by("order__ended_at"):
        found[one.version_id, one.silo_id] = EvaluationRow(one, minimum_cell)
    silos = {row.silo.id: row.silo for row in found.values()}
    return [
        AtSilo(
            silo,
            version.model.target_kind,
            found.get((version.id, silo.id)),
            found.get((beside.id, silo.id)) if beside else None,
        )
        for silo in sorted(silos.values(), key=lambda silo: (silo.organisation.name, silo.name))
    ]


def differences(version: ModelVersion, beside: ModelVersion) -> Sequence[Difference]:
    """The figures over all silos of both."""
    return _differences(version.model.target_kind, version.metrics, beside.metrics)


def _differences(target: Target, one: Mapping[str, object], other: Mapping[str, object]) -> Sequence[Difference]:
    return [Difference(metric, one, other) for metric in target.pooled_metrics()]
