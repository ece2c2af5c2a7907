"""The page of one dataset: what its silo has declared, who may train on it, and what did."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import may, signed_in
from accounts.permissions import Permission
from consortia.models import Consortium, Participation
from consortia.permissions import may as may_in
from consortia.selectors import consortia_visible_to
from consortia.transitions import ParticipationState
from dashboards.statistics import drawn_columns
from silos import selectors
from silos.models import Dataset
from silos.permissions import access_dataset
from training.models import CohortMember
from training.reading.selectors import jobs_visible_to
from training.reading.statistics import column_rows, latest_of

JOBS_SHOWN = 25


@require_safe
@login_required
def dataset(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """What a silo has declared of a dataset, for whom it is, and the jobs that one sees of those with it."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id)
    declaration = selectors.declaration_of(wanted)
    may_manage = may(user, Permission.DATASET_MANAGE, organisation=wanted.silo.organisation)
    jobs = jobs_visible_to(user).filter(pk__in=CohortMember.objects.filter(dataset=wanted).values("job"))
    consortia = consortia_visible_to(user).filter(pk__in=_open_to(wanted))
    alike = selectors.datasets_visible_to(user).filter(schema_digest=wanted.schema_digest, withdrawn_at=None)
    released = latest_of(wanted, user)
    columns = () if released is None else column_rows(released)
    context = {
        "released": released,
        "columns": columns,
        "drawn": drawn_columns(columns),
        "dataset": wanted,
        "declaration": declaration,
        "steps": selectors.steps_of(declaration),
        "consortia": list(consortia),
        "may_ask": {one.pk for one in consortia if may_in(user, Permission.JOB_LAUNCH, consortium=one)},
        "jobs": list(jobs.order_by("-created_at")[:JOBS_SHOWN]),
        "jobs_shown": JOBS_SHOWN,
        "alike": alike.exclude(pk=wanted.pk).order_by("silo__organisation__name", "title")[:JOBS_SHOWN],
        "may_withdraw": may_manage and (wanted.withdrawn_at is None or wanted.withdrawn_by_silo),
        "may_confirm_rows": may(user, Permission.DATASET_CONFIRM, organisation=wanted.silo.organisation),
        "may_offer": may_manage and wanted.withdrawn_at is not None and not wanted.withdrawn_by_silo,
    }
    return render(request, "dashboards/dataset.html", context)


def _open_to(wanted: Dataset) -> list[UUID]:
    """The consortia in which its organisation takes part now; none while it is withdrawn."""
    if wanted.withdrawn_at is not None:
        return []
    active = Participation.objects.filter(organisation=wanted.silo.organisation_id, state=ParticipationState.ACTIVE)
    return list(Consortium.objects.filter(pk__in=active.values("consortium")).values_list("pk", flat=True))
