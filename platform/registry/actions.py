"""What is done to models: begun, grown by a version a round, evaluated, pruned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actions import record
from audit.actors import Actor
from registry import statements
from registry.models import Model, ModelVersion

NeededFiles = Callable[[Collection[str]], set[str]]
"""Which of some digests are wanted, by versions or by what an app above keeps."""


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


def record_metrics_and_mark_best(*, version: ModelVersion, metrics: dict[str, Any], by: Actor) -> None:
    """Keep how well a version did over the silos, and mark the best by the target's metric; of equals the earliest."""
    del by
    version.metrics = metrics
    target = version.model.target_kind
    rule = target.metric(target.best_by)
    best, figure = statements.store_metrics(version, metrics), metrics.get(rule.name)
    if figure is not None and (best is None or best.get(rule.name) is None or rule.is_better(figure, best[rule.name])):
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


def prune(
    *,
    model_id: UUID,
    version_ids: Collection[UUID],
    needed: Callable[[Collection[UUID]], set[UUID]],
    needed_files: NeededFiles,
    by: Actor,
) -> int:
    """Delete the weights of these versions of a model, but for those that somebody needs; how many. Rows stay.

    `needed` is asked with the rows locked. A launch locks the version that it names, too: one that has is passed over
    here, and one that comes later waits, and finds the version pruned.
    """
    with transaction.atomic():
        locked = list(
            ModelVersion.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("model")
            .filter(id__in=version_ids, model_id=model_id, pruned_at=None, is_best=False)
            .order_by("round_number")
        )
        kept = needed([version.id for version in locked])
        pruned = [version for version in locked if version.id not in kept]
        if pruned:
            ModelVersion.objects.filter(id__in=[version.id for version in pruned]).update(pruned_at=timezone.now())
            model = pruned[0].model
            record(
                by=by,
                verb="model.pruned",
                subject=model,
                consortium_id=model.consortium_id,
                detail={"rounds": [version.round_number for version in pruned]},
            )
    _remove(pruned, needed_files)
    return len(pruned)


def retire(*, model: Model, code: str, detail: Mapping[str, object], by: Actor) -> bool:
    """Take a model out of use for good, with an event of the code's name; False if somebody has already.

    Weights that were given out before can't be called back. Part of the caller's transaction.
    """
    taken = Model.objects.filter(id=model.id, retired_at=None).update(retired_at=timezone.now(), retired_code=code)
    if taken:
        by_name = {"model": model.name, **detail}
        record(by=by, verb=code, subject=model, consortium_id=model.consortium_id, detail=by_name)
    return bool(taken)


def delete_weights(*, model: Model, detail: Mapping[str, object], needed_files: NeededFiles, by: Actor) -> int:
    """Delete the weights of all versions of a model that is out of use; how many there were. Rows stay."""
    with transaction.atomic():
        deleted = list(model.versions.select_for_update().filter(pruned_at=None))
        ModelVersion.objects.filter(id__in=[version.id for version in deleted]).update(pruned_at=timezone.now())
        if deleted:
            by_name = {"model": model.name, "versions": len(deleted), **detail}
            record(
                by=by,
                verb="model.weights_deleted",
                subject=model,
                consortium_id=model.consortium_id,
                detail=by_name,
            )
    _remove(deleted, needed_files)
    return len(deleted)


def _remove(versions: Iterable[ModelVersion], needed_files: NeededFiles) -> None:
    """Remove the files of versions that are not kept any more, unless something that is kept has the same bytes."""
    gone = {digest for version in versions for digest in (version.digest, version.optimiser_digest) if digest}
    store.remove_unneeded(gone, needed_files)
