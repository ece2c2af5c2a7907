"""What a notice says: a subject, a few sentences, and where to look. Pure but for the names that it looks up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import Organisation
from audit.models import Event
from consortia.models import Consortium
from monitoring.models import Kind
from silos.models import Silo
from training.models import Job


@dataclass(frozen=True)
class Said:
    """The words of a notice."""

    subject: str
    text: str
    path: str


def words_for(kind: Kind, event: Event) -> Said | None:
    """The words for an event; None where what it tells of is gone."""
    if kind in {Kind.SILO_SILENT, Kind.SILO_PRESENTED}:
        silo = Silo.objects.select_related("organisation").filter(id=event.subject_id).first()
        return _of_silo(kind, silo) if silo else None
    if kind == Kind.INVITATION:
        return _of_invitation(event)
    if event.job_id is None:
        return None
    job = Job.objects.select_related("consortium").filter(id=event.job_id).defer("manifest").first()
    return _of_job(kind, job, event.detail) if job else None


def _of_job(kind: Kind, job: Job, detail: Mapping[str, Any]) -> Said:
    path = f"/jobs/{job.id}/"
    reason, code = str(detail.get("reason", "")), str(detail.get("code", ""))
    because = f"\n\n{reason} ({code})" if reason else ""
    if kind == Kind.JOB_COMPLETED:
        metrics = _best_metrics(job)
        told = f" The best version reached {metrics}." if metrics else ""
        return Said(f"Completed: {job.name}", f"“{job.name}” in {job.consortium.name} is complete.{told}", path)
    if kind == Kind.ROUND_ABANDONED:
        number = detail.get("round", "?")
        text = f"Round {number} of “{job.name}” in {job.consortium.name} was given up; it is tried again.{because}"
        return Said(f"Round {number} given up: {job.name}", text, f"{path}rounds/")
    word = {Kind.JOB_FAILED: "failed", Kind.JOB_PAUSED: "paused"}[kind]
    todo = {
        Kind.JOB_FAILED: "It can be launched again from its page once the reason is gone.",
        Kind.JOB_PAUSED: "It goes on when somebody resumes it on its page.",
    }[kind]
    text = f"“{job.name}” in {job.consortium.name} has {word}.{because}\n\n{todo}"
    return Said(f"{word.capitalize()}: {job.name}", text, path)


def _best_metrics(job: Job) -> str:
    best = job.model.versions.filter(is_best=True).first() if job.model_id and job.model else None
    if best is None or best.metrics.get("accuracy") is None:
        return ""
    return f"accuracy {best.metrics['accuracy']:.3f} over the silos, after round {best.round_number}"


def _of_silo(kind: Kind, silo: Silo) -> Said:
    path = f"/silos/{silo.id}/"
    if kind == Kind.SILO_PRESENTED:
        text = (
            f"A connector has presented itself as {silo.name} of {silo.organisation.name}. Nothing is sent to it "
            "before somebody has compared the fingerprints by telephone and confirmed it."
        )
        return Said(f"To confirm: {silo.name}", text, path)
    since = f" since {silo.silent_since:%d %B %Y, %H:%M} UTC" if silo.silent_since else ""
    text = (
        f"{silo.name} of {silo.organisation.name} has not been heard of{since}. Its rounds go on without it while the "
        "quorum holds. On the connector's machine `silo-connector doctor` says what is wrong."
    )
    return Said(f"Silent: {silo.name}", text, path)


def _of_invitation(event: Event) -> Said | None:
    if event.consortium_id is None or event.organisation_id is None:
        return None
    consortium = Consortium.objects.filter(pk=event.consortium_id).first()
    organisation = Organisation.objects.filter(pk=event.organisation_id).first()
    if consortium is None or organisation is None:
        return None
    text = (
        f"{consortium.name} has invited {organisation.name} to take part. You can accept or decline on your home page."
    )
    return Said(f"Invitation: {consortium.name}", text, "/")
