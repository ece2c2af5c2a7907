"""What is done to models: begun, grown by a version a round, judged, pruned."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actions import record
from audit.actors import Actor
from registry import statements
from registry.models import Model, ModelVersion
from registry.selectors import referenced

VERSIONS_KEPT = 20


def add_version(
    *, model: Model, round_number: int, digest: str, size_bytes: int, optimiser_digest: str, by: Actor
) -> ModelVersion:
    """Keep the weights that a round has made. Part of the round's own transaction and audit event."""
    del by
    version = ModelVersion(
        model=model,
        round_number=round_number,
        digest=digest,
        size_bytes=size_bytes,
        optimiser_digest=optimiser_digest,
        created_at=timezone.now(),
    )
    statements.add(version)
    return version


def judge(*, version: ModelVersion, metrics: dict[str, Any], by: Actor) -> None:
    """Keep how well a version did over the silos, and mark the best: lowest loss, of equals the earliest."""
    del by
    version.metrics = metrics
    best, loss = statements.judge(version, metrics), metrics.get("loss")
    if loss is not None and (best is None or best.get("loss") is None or loss < best["loss"]):
        statements.mark_best(version.id, model_id=version.model_id)
        version.is_best = True


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
    gone = {digest for version in pruned for digest in (version.digest, version.optimiser_digest) if digest}
    for digest in gone - referenced(gone):
        store.remove(digest)
    return len(pruned)
