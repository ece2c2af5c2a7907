"""Launching a job: everything that can be known to be wrong is said now, before a silo is troubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from agreements.selectors import in_force
from consortia.models import Consortium, Participation
from consortia.transitions import ParticipationState
from federation.errors import Invalid
from federation.tasks import task_of
from plans.models import TrainingPlan
from plans.selectors import plan_with
from registry.models import ModelVersion
from registry.retirement import retirement_of
from rest.figures import target_in_words
from silos.models import Dataset
from silos.selectors import health_of
from silos.transitions import SiloState
from training import dispatch
from training.launch.agreed_defaults import filled_in, terms_in_force
from training.launch.eligibility import model_of, verdicts
from training.launch.refused_fields import check_allowed
from training.launch.requests import JobRequest, read_request
from training.launch.schemas import check_alike
from training.launch.statistics import check_statistics
from training.models import CohortMember, Job
from training.states import record_job_event


def launch(*, consortium: Consortium, request: Mapping[str, Any], by: User) -> Job:
    """Queue a job. Raises Invalid with a stable code and the field at fault; then nothing was kept."""
    asked = read_request(request)
    datasets = check_datasets(consortium=consortium, asked=asked)
    asked = filled_in(asked, in_force(consortium), datasets)
    version = check_version(consortium=consortium, asked=asked, datasets=datasets)
    check_statistics(asked, datasets, terms_in_force(consortium))
    model = model_of(asked, version, datasets, check_plan(consortium=consortium, asked=asked))
    agreement, found = verdicts(consortium=consortium, asked=asked, datasets=datasets, model=model, by=by)
    check_allowed(found)
    with transaction.atomic():
        job = Job.objects.create(
            consortium=consortium,
            name=asked.name,
            task=asked.task,
            launched_by=by,
            request=asked.model_dump(mode="json"),
            agreement=agreement,
            evaluated_version=version,
            rounds_planned=asked.rounds if task_of(asked.task).trains else 0,
            quorum=asked.effective_quorum,
            round_deadline_s=asked.round_deadline_s,
            wait=asked.wait,
            retries_max=asked.retries_max,
        )
        if version is not None:  # locked, it is not pruned until the job is there; but it may have been meanwhile
            check_weights_exist(ModelVersion.objects.select_for_update(no_key=True).get(id=version.id))
        CohortMember.objects.bulk_create(
            CohortMember(job=job, silo_id=dataset.silo_id, dataset=dataset, position=position)
            for position, dataset in enumerate(datasets, start=1)
        )
        record_job_event(job=job, verb="job.launched", by=by, detail=_launched(job, datasets))
        dispatch.start_job(job.id)
    return job


def _launched(job: Job, datasets: Sequence[Dataset]) -> dict[str, object]:
    """What the event of a launch reports: the silos that are silent now by name, so that nobody wonders later."""
    by_name: dict[str, object] = {"name": job.name, "silos": len(datasets), "task": job.task, "wait": job.wait}
    silent = ", ".join(dataset.silo.name for dataset in datasets if health_of(dataset.silo) == "silent")
    return by_name | ({"silent": silent} if silent else {})


def check_datasets(*, consortium: Consortium, asked: JobRequest) -> list[Dataset]:
    """The datasets asked for, in that order: this consortium's, offered, at silos that may work, of one schema."""
    members = Participation.objects.filter(consortium=consortium, state=ParticipationState.ACTIVE)
    found = {
        dataset.id: dataset
        for dataset in Dataset.objects.select_related(
            "silo__organisation", "silo__signatory_key", "silo__refused_request"
        ).filter(id__in=asked.datasets, withdrawn_at=None, silo__organisation__in=members.values("organisation"))
    }
    datasets: list[Dataset] = []
    for position, dataset_id in enumerate(asked.datasets):
        if dataset_id not in found:
            raise Invalid("dataset.unknown", "No dataset of this consortium has this id.", f"datasets.{position}")
        dataset = found[dataset_id]
        if dataset.silo.state != SiloState.ACTIVE:
            raise Invalid(
                "silo.not_active",
                _("The silo %(name)s is %(state)s.")
                % {"name": dataset.silo.name, "state": dataset.silo.get_state_display()},
                f"datasets.{position}",
            )
        datasets.append(dataset)
    if len({dataset.silo_id for dataset in datasets}) != len(datasets):
        raise Invalid("dataset.silo_twice", "Two of the datasets are at the same silo; name one a silo.", "datasets")
    check_alike(datasets)
    return datasets


def check_plan(*, consortium: Consortium, asked: JobRequest) -> TrainingPlan | None:
    """The training plan that a job names: one of this consortium. Whether it may run, the agreement says."""
    if asked.plan is None:
        return None
    if (plan := plan_with(consortium, asked.plan)) is None:
        raise Invalid(
            "plan.unknown", "This consortium has no training plan of this hash. Upload it there first.", "plan"
        )
    return plan


def check_version(*, consortium: Consortium, asked: JobRequest, datasets: Sequence[Dataset]) -> ModelVersion | None:
    """The stored model that an evaluation names: of this consortium, kept, and made for such data."""
    if asked.model_version is None:
        return None
    version = (
        ModelVersion.objects.select_related("model__agreement")
        .filter(id=asked.model_version, model__consortium=consortium)
        .first()
    )
    if version is None:
        raise Invalid("model.unknown", "This consortium has no model version of this id.", "model_version")
    check_in_use(version)
    check_weights_exist(version)
    first = datasets[0]
    if (version.model.n_features, version.model.target_kind) != (first.n_features, first.target_kind):
        raise Invalid(
            "model.does_not_fit",
            _(
                "The model is made for %(features)s features and %(target)s; the data have %(has_features)s and "
                "%(has_target)s."
            )
            % {
                "features": version.model.n_features,
                "target": target_in_words(version.model.target_kind),
                "has_features": first.n_features,
                "has_target": target_in_words(first.target_kind),
            },
            "model_version",
        )
    return version


def check_weights_exist(version: ModelVersion) -> None:
    """Raise Invalid ``model.pruned`` where the weights were deleted."""
    if version.pruned_at is not None:
        raise Invalid("model.pruned", "The weights of this version were deleted.", "model_version")


def check_in_use(version: ModelVersion) -> None:
    """Raise Invalid ``model.retired`` or ``model.expired`` where the agreement has taken the model out of use."""
    if (found := retirement_of(version.model)) is not None:
        raise Invalid(found.code, found.message, "model_version")
