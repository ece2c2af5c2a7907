"""Starting a queued job: whether it still may, the first model, the manifest, the first round."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from artefacts import store
from audit.actors import Actor
from federation.errors import FederationError
from federation.learning.models import parse_model
from federation.learning.weights import write_weights
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from plans.models import TrainingPlan
from registry.actions import add_version
from registry.models import Model, ModelVersion
from training.engine import issuing
from training.engine.rounds import open_next
from training.engine.start_checks import check_data_are_there, what_keeps_from_starting
from training.launch.actions import check_in_use
from training.models import CohortSeat, Job
from training.states import move
from training.transitions import JobState


def start(*, job_id: UUID, by: Actor) -> None:
    """Take a queued job into its first round. Safe to repeat; what can't start fails with its reason."""
    with transaction.atomic():
        related = ("consortium", "launched_by", "agreement", "evaluated_version__model")
        job = Job.objects.select_for_update(of=("self",)).select_related(*related).get(id=job_id)
        if job.state != JobState.QUEUED:
            return
        if (stop := what_keeps_from_starting(job)) is not None:
            move(job=job, to=stop.to, by=by, code=stop.code, reason=stop.reason)
            return
        try:
            check_data_are_there(job)
            if job.evaluated_version is not None:
                check_in_use(job.evaluated_version)
            version = job.evaluated_version or _first_version(job, by)
        except FederationError as error:
            move(job=job, to=JobState.FAILED, by=by, code=error.code, reason=error.message)
            return
        manifest = issuing.manifest_of(job, version, created_at=documents.now())
        job.model = version.model
        job.manifest = documents.seal(manifest, issuing.signing_key())
        job.manifest_digest = digest_bytes(job.manifest)
        job.organisation_share_max = manifest.weighting.organisation_share_max if manifest.weighting else None
        job.save(update_fields=["model", "manifest", "manifest_digest", "organisation_share_max"])
        _note_weights(job, manifest)
        move(job=job, to=JobState.RUNNING, by=by, evidence=_began_with(job, manifest))
        open_next(job=job, by=by)


def _note_weights(job: Job, manifest: documents.Manifest) -> None:
    """Keep at the seats what the manifest holds their silos to: it is asked at the close of every round."""
    seats = {seat.silo_id: seat for seat in job.seats.all()}
    for member in manifest.cohort:
        seats[member.silo_id].rows_coarse = member.rows_coarse
        seats[member.silo_id].weight_max = member.weight_max
    CohortSeat.objects.bulk_update(seats.values(), ["rows_coarse", "weight_max"])


def _began_with(job: Job, manifest: documents.Manifest) -> dict[str, object]:
    """The digests of what the job stands on."""
    return {
        "manifest": job.manifest_digest,
        "agreement": manifest.agreement_digest,
        "initial_model": manifest.initial_model_digest,
    }


def _first_version(job: Job, by: Actor) -> ModelVersion:
    """The model as it starts: the family's initial weights under the job's seed."""
    dataset = job.seats.select_related("dataset").order_by("position")[0].dataset
    family, specification = parse_model(_model_of(job))
    layout = family.layout(specification, dataset.n_features, dataset.target_kind)
    folder = store.new_folder()
    try:
        file = Path(folder) / "initial.safetensors"
        digest = write_weights(
            file, layout, family.initial(specification, dataset.n_features, dataset.target_kind, _seed(job))
        )
        size_bytes = file.stat().st_size
        store.adopt(file, digest)
    finally:
        store.remove_folder(folder)
    declaration = dataset.declaration
    model = Model.objects.create(
        consortium_id=job.consortium_id,
        name=job.name,
        agreement_id=job.agreement_id,
        rounds_planned=job.rounds_planned,
        code_digest=job.request.get("plan") or "",
        specification=specification.model_dump(mode="json"),
        layout=[{"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype} for spec in layout],
        n_features=dataset.n_features,
        n_classes=dataset.n_classes,
        preprocessing={key: declaration[key] for key in ("name", "columns", "steps", "split")},
    )
    return add_version(model=model, round_number=0, digest=digest, size_bytes=size_bytes, optimiser_digest="", by=by)


def _model_of(job: Job) -> dict[str, Any]:
    """The model as it was asked for, or as the job's training plan declares it; plans are kept for good."""
    if digest := job.request.get("plan"):
        return TrainingPlan.objects.defer("source").get(consortium=job.consortium_id, digest=digest).model
    model: dict[str, Any] = job.request["model"]
    return model


def _seed(job: Job) -> int:
    """The seed of the initial weights, apart from every other use of the job's seed."""
    return int.from_bytes(hashlib.sha256(f"consilience/initial/v1/{job.request['seed']}".encode()).digest()[:8], "big")
