"""What is done to models: begun, grown by a version a round, judged, pruned."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actions import record
from audit.actors import Actor
from registry.models import Model, ModelVersion

VERSIONS_KEPT = 20


def add_version(
    *, model: Model, round_number: int, digest: str, size_bytes: int, optimiser_digest: str, by: Actor
) -> ModelVersion:
    """Keep the weights that a round has made. Part of the round's own transaction and audit event."""
    del by
    return ModelVersion.objects.create(
        model=model, round_number=round_number, digest=digest, size_bytes=size_bytes, optimiser_digest=optimiser_digest
    )


def judge(*, version: ModelVersion, metrics: dict[str, Any], by: Actor) -> None:
    """Keep how well a version did over the silos, and mark the best: lowest loss, of equals the earliest."""
    del by
    version.metrics = metrics
    version.save(update_fields=["metrics"])
    best = ModelVersion.objects.filter(model=version.model_id, is_best=True).order_by("pk").first()
    loss = metrics.get("loss")
    if loss is not None and (best is None or best.metrics.get("loss") is None or loss < best.metrics["loss"]):
        ModelVersion.objects.filter(model=version.model_id, is_best=True).update(is_best=False)
        version.is_best = True
        version.save(update_fields=["is_best"])


def note_download(*, version: ModelVersion, by: Actor) -> None:
    """Write down who has taken a model's weights."""
    with transaction.atomic():
        record(
            by=by,
            verb="model.downloaded",
            subject=version,
            consortium_id=version.model.consortium_id,
            detail={"model": version.model.name, "round": version.round_number, "digest": version.digest},
        )


def prune(*, model: Model, by: Actor, keep: int = VERSIONS_KEPT) -> int:
    """Delete the weights of versions that are neither the best, nor the first, nor among the newest. Rows stay."""
    kept = list(model.versions.order_by("-round_number").values_list("id", flat=True)[:keep])
    pruned: list[ModelVersion] = []
    with transaction.atomic():
        for version in (
            model.versions.select_for_update()
            .filter(pruned_at=None, is_best=False)
            .exclude(id__in=kept)
            .exclude(round_number=0)
        ):
            version.pruned_at = timezone.now()
            version.save(update_fields=["pruned_at"])
            pruned.append(version)
        if pruned:
            record(
                by=by,
                verb="model.pruned",
                subject=model,
                consortium_id=model.consortium_id,
                detail={"rounds": [version.round_number for version in pruned]},
            )
    for version in pruned:
        for digest in filter(None, (version.digest, version.optimiser_digest)):
            if not is_referenced(digest):
                store.remove(digest)
    return len(pruned)


def is_referenced(digest: str) -> bool:
    """Whether a kept version has these bytes."""
    kept = ModelVersion.objects.filter(pruned_at=None)
    return kept.filter(digest=digest).exists() or kept.filter(optimiser_digest=digest).exists()
