"""Starting a queued job: whether it still may, the first model, the manifest, the first round."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from artefacts import store
from audit.actors import Actor
from audit.reasons import Reason
from federation.errors import FederationError, Transient
from federation.learning.models import parse_model
from federation.learning.weights import write_weights
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.targets import target_of
from federation.tasks import task_of
from plans.models import TrainingPlan
from registry.actions import add_version
from registry.models import Model, ModelVersion
from training import dispatch
from training.engine import issuing, start_claims
from training.engine.kinds import step_kind
from training.engine.rounds import open_next
from training.engine.start_checks import check_data_are_there, start_blocker
from training.launch.actions import check_in_use
from training.models import CohortMember, Job
from training.states import move
from training.transitions import JobState


@dataclass(frozen=True)
class FirstModel:
    """The model as it starts, in the store already, and what it was made for."""

    digest: str
    size_bytes: int
    specification: dict[str, Any]
    layout: list[dict[str, object]]
    n_features: int
    n_classes: int | None
    target: str
    preprocessing: dict[str, Any]
    mark: Path | None
    """Of the store: taken off once a row names it."""


def start(*, job_id: UUID, by: Actor) -> None:
    """Take a queued job into its first round. Safe to repeat; what can't start fails with its reason.

    The first model is made under a claim and in no transaction: of a large one that takes long, and locks nothing.
    A job whose first model has cost several workers their lives fails (`start_claims`).
    """
    with transaction.atomic():
        job = _queued(job_id, skip_locked=True)
        if job is None or not _may_start(job, by):
            return
        if job.evaluated_version is not None or not step_kind(task_of(job.task).order_kind).is_about_model:
            _begin(job, job.evaluated_version, by)
            return
        if start_claims.is_hopeless(job):
            why = Reason(start_claims.NOT_MADE, {"number": start_claims.CLAIMS_MAX})
            move(job=job, to=JobState.FAILED, by=by, why=why)
            return
        claim = start_claims.claim(job)
    try:
        with start_claims.kept(claim):
            first = _make_first_model(job)
        _start_from(job_id, first, by)
    except Transient:  # nothing is wrong with the job: it stays queued, and the sweep nudges it again
        start_claims.give_back(claim)
        raise
    except FederationError as error:
        with transaction.atomic():
            if (job := _queued(job_id)) is not None:
                move(job=job, to=JobState.FAILED, by=by, why=Reason.of(error))
    else:
        start_claims.give_back(claim)


def _start_from(job_id: UUID, first: FirstModel, by: Actor) -> None:
    """Begin with this first model, unless the job must not start any more, or its data have changed meanwhile."""
    with transaction.atomic():
        job = _queued(job_id)
        if job is None or not _may_start(job, by):
            return
        made_for = (first.specification, first.n_features, first.n_classes, first.target, first.preprocessing)
        if _made_for(job) != made_for:
            dispatch.start_job(job.id)
            return
        _begin(job, _keep_first_model(job, first, by), by)
    store.release(first.mark)


def _queued(job_id: UUID, *, skip_locked: bool = False) -> Job | None:
    """The job, locked; None if it is not queued any more. With `skip_locked` also if somebody else is at it."""
    related = ("consortium", "launched_by", "agreement", "evaluated_version__model")
    locked = Job.objects.select_for_update(of=("self",), skip_locked=skip_locked).select_related(*related)
    found = locked.filter(id=job_id, state=JobState.QUEUED)
    if skip_locked:
        found = found.exclude(start_claimed_until__gt=Now())
    return found.first()


def _may_start(job: Job, by: Actor) -> bool:
    """Whether the (locked) job may start now. One that never can ends, with the reason."""
    if (stop := start_blocker(job)) is not None:
        move(job=job, to=stop.to, by=by, why=stop.why)
        return False
    try:
        check_data_are_there(job)
        if job.evaluated_version is not None:
            check_in_use(job.evaluated_version)
    except FederationError as error:
        move(job=job, to=JobState.FAILED, by=by, why=Reason.of(error))
        return False
    return True


def _begin(job: Job, version: ModelVersion | None, by: Actor) -> None:
    """Sign the manifest and open the first round."""
    manifest = issuing.manifest_of(job, version, created_at=documents.now())
    job.model = None if version is None else version.model
    job.manifest = documents.sign_document(manifest, issuing.signing_key())
    job.manifest_digest = digest_bytes(job.manifest)
    job.organisation_share_max = manifest.weighting.organisation_share_max if manifest.weighting else None
    job.start_claimed_until = None
    fields = ["model", "manifest", "manifest_digest", "organisation_share_max", "start_claimed_until"]
    job.save(update_fields=fields)
    _note_weights(job, manifest)
    move(job=job, to=JobState.RUNNING, by=by, evidence=_began_with(job, manifest))
    open_next(job=job, by=by)


def _note_weights(job: Job, manifest: documents.Manifest) -> None:
    """Keep with the members of the cohort what the manifest holds their silos to: it is asked at the close of every
    round.
    """
    cohort_members = {cohort_member.silo_id: cohort_member for cohort_member in job.cohort_members.all()}
    for member in manifest.cohort:
        cohort_members[member.silo_id].rows_coarse = member.rows_coarse
        cohort_members[member.silo_id].weight_max = member.weight_max
    CohortMember.objects.bulk_update(cohort_members.values(), ["rows_coarse", "weight_max"])


def _began_with(job: Job, manifest: documents.Manifest) -> dict[str, object]:
    """The digests of what the job stands on."""
    return {
        "manifest": job.manifest_digest,
        "agreement": manifest.agreement_digest,
        "initial_model": manifest.initial_model_digest,
    }


def _make_first_model(job: Job) -> FirstModel:
    """Write the family's initial weights under the job's seed. Again and again they are the same bytes."""
    specification, n_features, n_classes, named, preprocessing = _made_for(job)
    family, parsed = parse_model(specification)
    target = target_of(named or None, n_classes)
    layout = family.layout(parsed, n_features, target)
    folder = store.new_folder()
    try:
        file = Path(folder) / "initial.safetensors"
        digest = write_weights(file, layout, family.initial(parsed, n_features, target, _seed(job)))
        size_bytes = file.stat().st_size
        mark = store.commit_file(file, digest)
    finally:
        store.remove_folder(folder)
    tensors: list[dict[str, object]] = [
        {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype} for spec in layout
    ]
    return FirstModel(digest, size_bytes, specification, tensors, n_features, n_classes, named, preprocessing, mark)


def _made_for(job: Job) -> tuple[dict[str, Any], int, int | None, str, dict[str, Any]]:
    """What the first model follows from, besides the seed: specification, features, classes, target, preprocessing."""
    dataset = job.cohort_members.select_related("dataset").order_by("position")[0].dataset
    _family, specification = parse_model(_model_of(job))
    declaration = dataset.declaration
    preprocessing = {key: declaration[key] for key in ("name", "columns", "steps", "split")}
    made_for = dataset.n_features, dataset.n_classes, dataset.target, preprocessing
    return specification.model_dump(mode="json"), *made_for


def _keep_first_model(job: Job, first: FirstModel, by: Actor) -> ModelVersion:
    """The rows of a first model."""
    model = Model.objects.create(
        consortium_id=job.consortium_id,
        name=job.name,
        agreement_id=job.agreement_id,
        rounds_planned=job.rounds_planned,
        code_digest=job.request.get("plan") or "",
        specification=first.specification,
        layout=first.layout,
        n_features=first.n_features,
        n_classes=first.n_classes,
        target=first.target,
        preprocessing=first.preprocessing,
    )
    return add_version(
        model=model, round_number=0, digest=first.digest, size_bytes=first.size_bytes, optimiser_digest="", by=by
    )


def _model_of(job: Job) -> dict[str, Any]:
    """The model as it was asked for, or as the job's training plan declares it; plans are kept for good."""
    if digest := job.request.get("plan"):
        return TrainingPlan.objects.defer("source").get(consortium=job.consortium_id, digest=digest).model
    model: dict[str, Any] = job.request["model"]
    return model


def _seed(job: Job) -> int:
    """The seed of the initial weights, apart from every other use of the job's seed."""
    return int.from_bytes(hashlib.sha256(f"consilience/initial/v1/{job.request['seed']}".encode()).digest()[:8], "big")
