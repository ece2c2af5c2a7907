"""What a notice says: a subject, a few sentences, and where to look. Pure but for the names that it looks up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Organisation
from agreements.models import AgreementVersion
from audit.models import Event
from audit.reasons import reason_of
from consortia.models import Consortium
from monitoring.incidents import INCIDENTS, silo_of
from monitoring.models import Kind, Notice
from plans.models import TrainingPlan
from plans.selectors import digests_in
from rest.figures import figure_written
from silos.capabilities import needs_upgrade
from silos.models import Silo
from training.models import Job
from training.reading.absences import absences_in


@dataclass(frozen=True)
class NoticeText:
    """The words of a notice."""

    kind: Kind
    names: Mapping[str, str]
    """What stands in its subject."""
    text: str
    path: str
    kept_subject: str = ""
    """Of a notice from before names were kept."""

    @property
    def subject(self) -> str:
        """What it is about, in the reader's language."""
        return self.kept_subject or _(SUBJECTS[self.kind]) % self.names


MISSING_REPORTED = 10
"""Lines of an e-mail on whose work is missing; the page has them all."""
SUBJECTS = {
    Kind.JOB_COMPLETED: gettext_noop("Completed: %(job)s"),
    Kind.JOB_FAILED: gettext_noop("Failed: %(job)s"),
    Kind.JOB_PAUSED: gettext_noop("Paused: %(job)s"),
    Kind.ROUND_ABANDONED: gettext_noop("Round %(round)s abandoned: %(job)s"),
    Kind.SILO_SILENT: gettext_noop("Silent: %(silo)s"),
    Kind.SILO_PRESENTED: gettext_noop("To confirm: %(silo)s"),
    Kind.ORDER_REFUSED: gettext_noop("Incident: %(silo)s refused its order"),
    Kind.UPDATE_REJECTED: gettext_noop("Incident: an update of %(silo)s was rejected"),
    Kind.RECORD_CHANGED: gettext_noop("Incident: %(silo)s found the audit log changed"),
    Kind.SILO_REVOKED: gettext_noop("Incident: %(silo)s was revoked"),
    Kind.INVITATION: gettext_noop("Invitation: %(consortium)s"),
    Kind.AGREEMENT_PROPOSED: gettext_noop("To read: the agreement of %(consortium)s"),
    Kind.AGREEMENT_SIGNING: gettext_noop("To sign: the agreement of %(consortium)s"),
    Kind.PLAN_PROPOSED: gettext_noop("To review: %(plan)s"),
}


def subject_of(notice: Notice) -> str:
    """What a notice is about, in the reader's language."""
    if notice.names is None:
        return notice.subject
    return NoticeText(Kind(notice.kind), notice.names, "", "").subject


def notice_text(kind: Kind, event: Event) -> NoticeText | None:
    """The words for an event; None where what it reports is gone."""
    if kind in {Kind.SILO_SILENT, Kind.SILO_PRESENTED}:
        silo = Silo.objects.select_related("organisation").filter(id=event.subject_id).first()
        return said_of_silo(kind, silo) if silo else None
    if kind in INCIDENTS:
        silo = silo_of(event)
        return _of_incident(kind, silo, event) if silo else None
    if kind == Kind.INVITATION:
        return _of_invitation(event)
    if kind in {Kind.AGREEMENT_PROPOSED, Kind.AGREEMENT_SIGNING}:
        return _of_agreement(kind, event)
    if kind == Kind.PLAN_PROPOSED:
        return _of_plan(event)
    if event.job_id is None:
        return None
    job = Job.objects.select_related("consortium").filter(id=event.job_id).defer("manifest").first()
    return _of_job(kind, job, event.detail) if job else None


def _of_job(kind: Kind, job: Job, detail: Mapping[str, Any]) -> NoticeText:
    path = f"/jobs/{job.id}/"
    code = str(detail.get("code", ""))
    reason = reason_of(detail)
    because = f"\n\n{reason} ({code})" if reason else ""
    names = {"job": job.name, "consortium": job.consortium.name}
    if kind == Kind.JOB_COMPLETED:
        metrics = _best_metrics(job)
        message = " " + _("The best version reached %(metrics)s.") % {"metrics": metrics} if metrics else ""
        text = _("“%(job)s” in %(consortium)s is complete.") % names + message + _missing_work(job)
        return NoticeText(kind, names, text, path)
    if kind == Kind.ROUND_ABANDONED:
        number = detail.get("round", "?")
        names["round"] = str(number)
        text = _("Round %(round)s of “%(job)s” in %(consortium)s was abandoned; it is tried again.") % names + because
        return NoticeText(kind, names, text, f"{path}rounds/")
    text = {
        Kind.JOB_FAILED: _("“%(job)s” in %(consortium)s has failed."),
        Kind.JOB_PAUSED: _("“%(job)s” in %(consortium)s has paused."),
    }[kind]
    todo = {
        Kind.JOB_FAILED: _("It can be launched again from its page once the reason is gone."),
        Kind.JOB_PAUSED: _("It goes on when somebody resumes it on its page."),
    }[kind]
    return NoticeText(kind, names, f"{text % names}{because}\n\n{todo}", path)


def _missing_work(job: Job) -> str:
    """Whose work is missing in a job that is complete, and why."""
    lines = [f"{one.silo.name}: {one.reason} {one.remedy} ({one.code})" for one in absences_in(job)[:MISSING_REPORTED]]
    return "\n\n" + "\n".join((_("Some rounds counted without every silo:"), *lines)) if lines else ""


def _best_metrics(job: Job) -> str:
    best = (
        job.model.versions.select_related("model").filter(is_best=True).first() if job.model_id and job.model else None
    )
    if best is None:
        return ""
    target = best.model.target_kind
    metric = target.metric(target.primary)
    if best.metrics.get(metric.name) is None:
        return ""
    return _("%(metric)s %(value)s over the silos, after round %(round)s") % {
        "metric": _(metric.called or metric.name),
        "value": figure_written(metric, best.metrics[metric.name]),
        "round": best.round_number,
    }


def said_of_silo(kind: Kind, silo: Silo) -> NoticeText:
    """That a connector has presented itself, or that nothing is heard of it."""
    path = f"/silos/{silo.id}/"
    names = {"silo": silo.name, "organisation": silo.organisation.name}
    if kind == Kind.SILO_PRESENTED:
        text = _(
            "A connector has presented itself as %(silo)s of %(organisation)s. Nothing is sent to it "
            "before somebody has compared the fingerprints by telephone and confirmed it."
        )
        return NoticeText(kind, names, text % names, path)
    if silo.silent_since:
        since = timezone.localtime(silo.silent_since)
        names["since"] = f"{date_format(since, 'DATE_FORMAT')}, {since:%H:%M} {since.tzname()}"
        unheard = _("%(silo)s of %(organisation)s has not been heard of since %(since)s.")
    else:
        unheard = _("%(silo)s of %(organisation)s has not been heard of.")
    if needs_upgrade(silo):
        todo = _(
            "Its connector speaks an older protocol and gets no orders. Install the version that belongs to this "
            "platform, then start relay and trainer again."
        )
        return NoticeText(kind, names, f"{unheard % names} {todo}", path)
    todo = _(
        "Its rounds go on without it while the quorum holds. On the connector's machine “silo-connector doctor” says "
        "what is wrong."
    )
    return NoticeText(kind, names, f"{unheard % names} {todo}", path)


def _of_incident(kind: Kind, silo: Silo, event: Event) -> NoticeText:
    job = Job.objects.filter(id=event.job_id).only("name").first() if event.job_id else None
    names = {"silo": silo.name, "organisation": silo.organisation.name, "job": job.name if job else ""}
    names |= {"round": str(event.detail.get("round", "?")), "by": event.actor_name}
    if kind == Kind.SILO_REVOKED:
        text = _(
            "%(by)s has revoked %(silo)s of %(organisation)s: its keys count for nothing any more. Where that was not "
            "meant, enrol it again with a new code."
        )
        return NoticeText(kind, names, text % names, f"/silos/{silo.id}/")
    code = str(event.detail.get("code", ""))
    reason = reason_of(event.detail)
    text, todo = {
        Kind.ORDER_REFUSED: (
            _("%(silo)s of %(organisation)s refused its order of round %(round)s of “%(job)s”."),
            _(
                "Its IT finds more in the trainer's log. What the silo refuses again within a day is not "
                "notified again."
            ),
        ),
        Kind.UPDATE_REJECTED: (
            _("The update of %(silo)s of %(organisation)s for round %(round)s of “%(job)s” was rejected."),
            _("It changed nothing in the model. What is rejected again within a day is not notified again."),
        ),
        Kind.RECORD_CHANGED: (
            _("%(silo)s of %(organisation)s did not countersign this platform's audit log."),
            _(
                "Unless the platform was restored from an older backup, somebody may have changed or "
                "removed events. Ask the operator, and compare a bundle of evidence with what the silo "
                "keeps: “silo-connector verify”."
            ),
        ),
    }[kind]
    return NoticeText(kind, names, f"{text % names}\n\n{reason} ({code})\n\n{todo}", f"/silos/{silo.id}/")


def _of_invitation(event: Event) -> NoticeText | None:
    if event.consortium_id is None or event.organisation_id is None:
        return None
    consortium = Consortium.objects.filter(pk=event.consortium_id).first()
    organisation = Organisation.objects.filter(pk=event.organisation_id).first()
    if consortium is None or organisation is None:
        return None
    names = {"consortium": consortium.name, "organisation": organisation.name}
    text = _("%(consortium)s has invited %(organisation)s to take part. You can accept or decline on your home page.")
    return NoticeText(Kind.INVITATION, names, text % names, "/")


def _of_agreement(kind: Kind, event: Event) -> NoticeText | None:
    version = AgreementVersion.objects.filter(pk=event.subject_id).select_related("consortium").first()
    if version is None:
        return None
    names = {"consortium": version.consortium.name, "number": str(version.number)}
    text = {
        Kind.AGREEMENT_PROPOSED: _(
            "Version %(number)s of the agreement of %(consortium)s is proposed. Read it for your organisation, comment "
            "on it or counter-propose; nothing is signed yet."
        ),
        Kind.AGREEMENT_SIGNING: _(
            "Version %(number)s of the agreement of %(consortium)s waits for the members. Read it and approve it on "
            "its page; your signatory then signs it on premises."
        ),
    }[kind]
    plans = TrainingPlan.objects.filter(consortium=version.consortium_id, digest__in=digests_in(version.terms))
    code = _("It allows training plans, which your organisation reviews as well: %(plans)s.")
    titles = ", ".join(plans.order_by("title").values_list("title", flat=True))
    message = "\n\n" + code % {"plans": titles} if titles else ""
    return NoticeText(kind, names, text % names + message, f"/agreements/{version.pk}/")


def _of_plan(event: Event) -> NoticeText | None:
    plan = TrainingPlan.objects.filter(pk=event.subject_id).select_related("consortium").defer("source").first()
    if plan is None:
        return None
    names = {"plan": plan.title, "consortium": plan.consortium.name}
    text = _(
        "The members of %(consortium)s are asked to review the training plan “%(plan)s”. Read its code on its page and "
        "approve or refuse it. It runs at your silos only after your organisation has signed that on premises."
    )
    return NoticeText(Kind.PLAN_PROPOSED, names, text % names, f"/plans/{plan.pk}/")
