"""Models' passports: signed by a worker, apart from the rounds, once it is known how the weights did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from audit.actors import System
from federation.evidence.passports import Evaluation, Participant, Passport, sign_passport
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import UPDATE
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from federation.targets import Target
from federation.tasks import kinds_that_train, tasks_that_train
from registry import models as registry
from registry.models import ModelVersion
from training.models import Job, Payload, Round
from training.states import record_job_event
from training.transitions import ENDED, OrderState, RoundState

AT_ONCE = 200


def issue_missing(key: PrivateKey, limit: int = AT_ONCE) -> int:
    """Sign passports for versions that the silos have tried, or whose job has ended: how many, `limit` at most.

    A version of a job that goes on and that nobody has tried yet waits: its passport says how it did. It
    waits no longer than for a later one to be tried, for passports lead back from round to round.
    """
    jobs = Job.objects.filter(task__in=tasks_that_train()).exclude(manifest_digest="")
    later = ModelVersion.objects.filter(model=OuterRef("model"), round_number__gt=OuterRef("round_number"))
    waiting = ModelVersion.objects.filter(passport=None, model__jobs__in=jobs).filter(
        ~Q(metrics={}) | Q(model__jobs__state__in=ENDED) | Q(Exists(later.exclude(metrics={})))
    )
    found = list(waiting.select_related("model").order_by("created_at").distinct()[:limit])
    return sum(_issue(jobs.select_related("agreement").get(model=version.model_id), version, key) for version in found)


@transaction.atomic
def _issue(job: Job, version: ModelVersion, key: PrivateKey) -> bool:
    """Sign and keep a version's passport, unless somebody else just did; the audit log has its digest."""
    statement = _said(job, version)
    document = sign_passport(version.digest, statement, key)
    _, new = registry.Passport.objects.get_or_create(
        version=version, defaults={"document": document, "issued_at": statement.issued_at}
    )
    if new:
        record_job_event(
            job=job,
            verb="passport.issued",
            by=System("worker"),
            detail={"round": version.round_number},
            evidence={"model": version.digest, "passport": digest_bytes(document)},
        )
    return new


def _said(job: Job, version: ModelVersion) -> Passport:
    closed = job.rounds.filter(number=version.round_number, state=RoundState.CLOSED)
    round_ = closed.select_related("base_version").first() if version.round_number else None
    return Passport(
        consortium_id=job.consortium_id,
        job_id=job.id,
        manifest_digest=job.manifest_digest,
        agreement_digest=job.agreement.digest if job.agreement else None,
        code_digest=version.model.code_digest or None,
        round=version.round_number,
        base_digest=round_.version.digest if round_ else None,
        participants=tuple(_participants(job, round_)) if round_ else (),
        evaluation=_evaluation(version.model.target_kind, version.metrics),
        issued_at=documents.now(),
    )


def _participants(job: Job, round_: Round) -> Iterable[Participant]:
    """The answers that were added up, in the order of their silos' ids; silos are called as in the manifest."""
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    cohort = {member.silo_id: member for member in manifest.cohort}
    counted = Payload.objects.filter(
        name=UPDATE,
        order__step__round=round_,
        order__step__kind__in=kinds_that_train(),
        order__state=OrderState.APPLIED,
    )
    rows = counted.order_by("order__silo_id").values_list(
        "order_id", "order__silo_id", "order__submission__document_digest", "digest"
    )
    for order_id, silo_id, answer, update in rows:
        member = cohort[silo_id]
        yield Participant(
            order_id=order_id,
            organisation=member.organisation,
            silo=member.silo,
            dataset=member.dataset,
            answer_digest=answer,
            update_digest=update,
        )


def _evaluation(target: Target, metrics: Mapping[str, Any]) -> Evaluation:
    names = [metric.name for metric in target.pooled_metrics()]
    by_name = {name: metrics[name] for name in names if metrics.get(name) is not None}
    own = {name: by_name.pop(name) for name in ("loss", "accuracy") if name in by_name}
    return Evaluation(silos=metrics.get("silos", 0), figures=by_name, **own)
