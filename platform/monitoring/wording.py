"""What a notice says: a subject, a few sentences, and where to look. Pure but for the names that it looks up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

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
    names = {"job": job.name, "consortium": job.consortium.name}
    if kind == Kind.JOB_COMPLETED:
        metrics = _best_metrics(job)
        told = " " + _("The best version reached %(metrics)s.") % {"metrics": metrics} if metrics else ""
        return Said(_("Completed: %(job)s") % names, _("“%(job)s” in %(consortium)s is complete.") % names + told, path)
    if kind == Kind.ROUND_ABANDONED:
        number = detail.get("round", "?")
        names["round"] = str(number)
        text = _("Round %(round)s of “%(job)s” in %(consortium)s was given up; it is tried again.") % names + because
        return Said(_("Round %(round)s given up: %(job)s") % names, text, f"{path}rounds/")
    subject, text = {
        Kind.JOB_FAILED: (_("Failed: %(job)s"), _("“%(job)s” in %(consortium)s has failed.")),
        Kind.JOB_PAUSED: (_("Paused: %(job)s"), _("“%(job)s” in %(consortium)s has paused.")),
    }[kind]
    todo = {
        Kind.JOB_FAILED: _("It can be launched again from its page once the reason is gone."),
        Kind.JOB_PAUSED: _("It goes on when somebody resumes it on its page."),
    }[kind]
    return Said(subject % names, f"{text % names}{because}\n\n{todo}", path)


def _best_metrics(job: Job) -> str:
    best = job.model.versions.filter(is_best=True).first() if job.model_id and job.model else None
    if best is None or best.metrics.get("accuracy") is None:
        return ""
    return _("accuracy %(accuracy)s over the silos, after round %(round)s") % {
        "accuracy": number_format(best.metrics["accuracy"], 3),
        "round": best.round_number,
    }


def _of_silo(kind: Kind, silo: Silo) -> Said:
    path = f"/silos/{silo.id}/"
    names = {"silo": silo.name, "organisation": silo.organisation.name}
    if kind == Kind.SILO_PRESENTED:
        text = _(
            "A connector has presented itself as %(silo)s of %(organisation)s. Nothing is sent to it "
            "before somebody has compared the fingerprints by telephone and confirmed it."
        )
        return Said(_("To confirm: %(silo)s") % names, text % names, path)
    if silo.silent_since:
        since = timezone.localtime(silo.silent_since)
        names["since"] = f"{date_format(since, 'DATE_FORMAT')}, {since:%H:%M} {since.tzname()}"
        unheard = _("%(silo)s of %(organisation)s has not been heard of since %(since)s.")
    else:
        unheard = _("%(silo)s of %(organisation)s has not been heard of.")
    todo = _(
        "Its rounds go on without it while the quorum holds. On the connector's machine “silo-connector doctor” says "
        "what is wrong."
    )
    return Said(_("Silent: %(silo)s") % names, f"{unheard % names} {todo}", path)


def _of_invitation(event: Event) -> Said | None:
    if event.consortium_id is None or event.organisation_id is None:
        return None
    consortium = Consortium.objects.filter(pk=event.consortium_id).first()
    organisation = Organisation.objects.filter(pk=event.organisation_id).first()
    if consortium is None or organisation is None:
        return None
    names = {"consortium": consortium.name, "organisation": organisation.name}
    text = _("%(consortium)s has invited %(organisation)s to take part. You can accept or decline on your home page.")
    return Said(_("Invitation: %(consortium)s") % names, text % names, "/")
