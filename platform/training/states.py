"""The only place where the state of a job changes."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import record
from audit.actors import Actor
from audit.models import EVIDENCE
from audit.reasons import Reason
from rest.errors import Conflict
from training.models import Job
from training.transitions import ENDED, JOB, JobState


def move(
    *,
    job: Job,
    to: JobState,
    by: Actor,
    why: Reason | None = None,
    evidence: Mapping[str, object] | None = None,
) -> None:
    """Change the state of a job that the caller has locked. Raises Conflict ``job.wrong_state``.

    `evidence` as for `record_job_event`.
    """
    if to not in JOB[JobState(job.state)]:
        raise Conflict(
            "job.wrong_state",
            _("A job that is %(now)s can't become %(then)s.") % {"now": JobState(job.state).label, "then": to.label},
        )
    job.state = to
    job.reason_code, job.reason_params, job.reason = (why.code, why.params, why.text) if why else ("", None, "")
    fields = ["state", "reason_code", "reason_params", "reason"]
    if to in ENDED:
        job.ended_at = timezone.now()
        fields.append("ended_at")
    if to == JobState.RUNNING and job.started_at is None:
        job.started_at = timezone.now()
        fields.append("started_at")
    job.save(update_fields=fields)
    detail = why.detail if why else {}
    record_job_event(job=job, verb=f"job.{to.value}", by=by, detail=detail, evidence=evidence)


def record_job_event(
    *,
    job: Job,
    verb: str,
    by: Actor,
    detail: dict[str, object],
    evidence: Mapping[str, object] | None = None,
) -> None:
    """Write an event of this job down; the event wakes those who follow the job (a trigger of `audit`).

    `evidence` are the digests of the documents that the event is about (``federation.evidence.events`` reads them): who
    verifies a job's bundle holds documents and events against one another.
    """
    whole = detail if evidence is None else {**detail, EVIDENCE: dict(evidence)}
    record(by=by, verb=verb, subject=job, consortium_id=job.consortium_id, job_id=job.id, detail=whole)
