"""Whether a queued job may still start: checked again as it was at its launch, since the world goes on meanwhile."""

from __future__ import annotations

from federation.errors import Invalid
from plans.selectors import plan_with
from training.engine.agreement_gate import Stop, blocking_reason
from training.engine.sql import opening
from training.launch.actions import check_datasets
from training.launch.eligibility import model_of, verdicts
from training.launch.requests import JobRequest
from training.models import Job
from training.transitions import JobState

_GONE = frozenset({"dataset.unknown", "silo.not_active"})
"""What may be stated of single data sets at a launch, and of which."""


def start_blocker(job: Job) -> Stop | None:
    """Why the job can't start now: its agreement has ended, or refuses so many silos that its quorum can't be met.

    A suspension is no such reason, as it may be lifted: it pauses the job before the first round (`blocking_reason`).
    """
    if job.agreement is None:
        return Stop(JobState.FAILED, "agreement.missing")
    stop = blocking_reason(opening.progress_of(job), job.quorum)
    if stop is not None:
        return None if stop.to == JobState.PAUSED else stop
    asked = JobRequest.model_validate(job.request)
    cohort_members = job.cohort_members.select_related("dataset__silo__organisation", "dataset__silo__signatory_key")
    datasets = [cohort_member.dataset for cohort_member in cohort_members.order_by("position")]
    _version, found = verdicts(
        consortium=job.consortium,
        asked=asked,
        datasets=datasets,
        model=model_of(
            asked, job.evaluated_version, datasets, plan_with(job.consortium, asked.plan) if asked.plan else None
        ),
        by=job.launched_by,
        under=job.agreement,
    )
    refused = [one.code for one in found if not one.allowed and one.code != "agreement.suspended"]
    return Stop(JobState.FAILED, refused[0]) if len(found) - len(refused) < job.quorum else None


def check_data_are_there(job: Job) -> None:
    """Raise Invalid, as at the launch, where too few of the job's data sets are left, or they differ by now.

    A silo that was revoked, or whose data were withdrawn, is missed like one that is away: while the quorum holds.
    """
    asked = JobRequest.model_validate(job.request)
    left = list(asked.datasets)
    while True:
        try:
            check_datasets(consortium=job.consortium, asked=asked.model_copy(update={"datasets": left}))
        except Invalid as error:
            if error.code not in _GONE or len(left) <= job.quorum:
                raise
            left.pop(int((error.field or "").rpartition(".")[2]))
        else:
            return
