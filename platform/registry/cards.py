"""A model version's card: what it is, what goes in and out, how well it did where, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from django.db.models import Count

from federation.learning.models import FAMILIES
from federation.protocol.dataset_serving import inputs_of
from federation.protocol.datasets import parse_declaration
from federation.targets.classification import ACCURACY
from federation.tasks import kinds_that_train, tasks_that_train
from registry.models import Model, ModelVersion
from rest.figures import TargetOut, numbers_in

FORMAT = "consilience-model-card/1"
NO_AUC = {
    "auc": None,
    "auc_unavailable": "It can't be computed from the silos' own figures. Each silo's is under silos.",
}
"""Of all silos together: docs/adr/0034 says why nothing is put in its place."""


def card_of(version: ModelVersion) -> dict[str, Any]:
    """The card, as JSON values: enough to serve the model with its weights.

    Exact rows are reported only of test data that were evaluated.
    """
    model = version.model
    of_classes = model.target_kind.has_classes
    declaration = parse_declaration({"title": model.name, **model.preprocessing})
    return {
        "format": FORMAT,
        "name": model.name,
        "model_id": str(model.id),
        "version_id": str(version.id),
        "weights": {
            "format": "safetensors",
            "digest": version.digest,
            "size_bytes": version.size_bytes,
            "has_weights": version.pruned_at is None,
        },
        "architecture": {
            "specification": model.specification,
            "code_digest": model.code_digest or None,
            "layout": model.layout,
            "parameters": parameters_of(model),
            "n_features": model.n_features,
            "n_classes": model.n_classes,
            "computes": FAMILIES[model.specification["family"]].computes,
        },
        "inputs": inputs_of(declaration),
        "target": {
            **TargetOut(model.target_kind).data,
            "column": declaration.trace.target.name,
            "unit": declaration.trace.target.unit,
        },
        "classes": list(declaration.class_names),
        "preprocessing": model.preprocessing,
        "metrics": {"combined": combined_out(version.metrics, of_classes=of_classes), "silos": _evaluations(version)},
        "lineage": _lineage(version),
    }


def combined_out(metrics: Mapping[str, Any], *, of_classes: bool | None = None) -> dict[str, Any]:
    """Figures over all silos: by name, and those of classes as fields of their own too, as they were before others.

    Unless it is said, whether they are of classes is seen from them.
    """
    of_classes = ACCURACY.name in metrics if of_classes is None else of_classes
    return {
        **metrics,
        **(NO_AUC if of_classes else {}),
        **({"figures": numbers_in(metrics)} if metrics else {}),
    }


def parameters_of(model: Model) -> int:
    """How many numbers the model has."""
    total = 0
    for spec in model.layout:
        size = 1
        for extent in spec["shape"]:
            size *= extent
        total += size
    return total


def _evaluations(version: ModelVersion) -> list[dict[str, Any]]:
    """How it did on each silo's own test rows, the last time it was tried there; too few rows reveal nothing."""
    rows = version.evaluations.filter(order__state="applied").order_by("order__ended_at")
    latest = {
        row[0]: row[1:]
        for row in rows.values_list(
            "silo_id",
            "silo__name",
            "silo__organisation__name",
            "rows",
            "figures",
            "order__step__round__job__request__limits__minimum_cell",
        )
    }
    listed = []
    for silo, organisation, count, figures, minimum_cell in sorted(latest.values(), key=itemgetter(0)):
        few = count < int(minimum_cell)
        numbers = {} if few else numbers_in(figures)
        fields = ("accuracy", "loss", "auc") if version.model.target_kind.has_classes else ()
        listed.append(
            {
                "organisation": organisation,
                "silo": silo,
                "rows_evaluated": None if few else count,
                **{name: numbers.get(name) for name in fields},
                "figures": numbers,
            }
        )
    return listed


def _lineage(version: ModelVersion) -> dict[str, Any]:
    """Job, manifest, round, and whose updates counted on the way."""
    model = version.model
    before = model.versions.filter(round_number__lt=version.round_number).order_by("-round_number").first()
    by_name: dict[str, Any] = {
        "consortium": {"id": str(model.consortium_id), "name": model.consortium.name},
        "round": version.round_number,
        "created_at": version.created_at.isoformat(),
        "previous_digest": before.digest if before else None,
        "job": None,
        "participants": [],
    }
    job = model.jobs.filter(task__in=tasks_that_train()).defer("manifest").first()
    if job is None:
        return by_name
    asked = job.request
    by_name["job"] = {
        "id": str(job.id),
        "name": job.name,
        "purpose": asked["purpose"],
        "manifest_digest": job.manifest_digest,
        "rounds_planned": job.rounds_planned,
        **{name: asked[name] for name in ("strategy", "local", "protection", "limits", "seed")},
    }
    counted = job.rounds.filter(
        number__lte=version.round_number, steps__orders__state="applied", steps__orders__kind__in=kinds_that_train()
    )
    by_silo = dict(counted.order_by().values_list("steps__orders__silo_id").annotate(Count("steps__orders")))
    cohort_members = job.cohort_members.values_list(
        "silo_id", "silo__organisation__name", "silo__name", "dataset__name", "dataset__schema_digest"
    )
    by_name["participants"] = [
        {
            "organisation": organisation,
            "silo": silo,
            "dataset": dataset,
            "schema_digest": schema_digest,
            "updates_counted": by_silo.get(silo_id, 0),
        }
        for silo_id, organisation, silo, dataset, schema_digest in cohort_members
    ]
    return by_name
