"""Pages of one consortium: overview, participants, silos, datasets, jobs, models, activity. Thin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.forms import InvitationForm, RoleForm
from consortia.models import Consortium
from consortia.selectors import events_visible_to, open_invitations_of, open_role_offers_of, permissions_of
from dashboards.activity.selectors import rows_of
from dashboards.consortium.selectors import members_of, people_of
from dashboards.selectors import with_counts, with_figures
from registry.selectors import models_visible_to
from silos.selectors import datasets_visible_to, silo_rows, silos_of
from training.reading.selectors import jobs_visible_to

PAGE_SIZE = 50
JOBS_SHOWN = 5
EVENTS_SHOWN = 10
_EVERYDAY = ("order.submitted", "passport.issued", "round.opened", "round.closed", "round.updates_deleted")
"""Events that every round has: they stand on the page of all events, not among the last few."""


def frame(consortium: Consortium, user: User, tab: str) -> dict[str, Any]:
    """What every page of the consortium has: its name, its tabs with how many there are, and what one may do."""
    allowed = permissions_of(user, consortium=consortium)
    return {
        "consortium": with_counts(Consortium.objects.filter(pk=consortium.pk)).get(),
        "tab": tab,
        "may_launch": Permission.JOB_LAUNCH in allowed,
        "may_invite": Permission.PARTICIPANT_INVITE in allowed,
        "may_remove": Permission.PARTICIPANT_REMOVE in allowed,
        "may_grant": Permission.CONSORTIUM_ROLE_GRANT in allowed,
        "may_draft": Permission.AGREEMENT_DRAFT in allowed,
        "may_upload": Permission.PLAN_UPLOAD in allowed,
        "may_edit": Permission.CONSORTIUM_EDIT in allowed,
        "may_read": Permission.EVENT_VIEW in allowed,
    }


@require_safe
@login_required
def overview(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """What it is for, who takes part, what goes on, what happened last."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    jobs = jobs_visible_to(user).filter(consortium=wanted).order_by("-created_at")[:JOBS_SHOWN]
    events = events_visible_to(user).filter(consortium_id=wanted.pk).exclude(verb__in=_EVERYDAY).order_by("-id")
    context = {
        **frame(wanted, user, "overview"),
        "members": members_of(wanted, user),
        "jobs": with_figures(list(jobs)),
        "rows": rows_of(user, list(events[:EVENTS_SHOWN])),
    }
    return render(request, "dashboards/consortium/overview.html", context)


@require_safe
@login_required
def participants(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The organisations, the people, and the forms to change who they are."""
    user = signed_in(request)
    return participants_page(request, access_consortium(user, consortium_id))


def participants_page(
    request: HttpRequest,
    consortium: Consortium,
    *,
    invitation_form: InvitationForm | None = None,
    role_form: RoleForm | None = None,
) -> HttpResponse:
    """The page, with a form that was refused as it was filled in."""
    user = signed_in(request)
    context = frame(consortium, user, "participants")
    context |= {
        "members": members_of(consortium, user),
        "people": people_of(consortium, user),
        "invitations": open_invitations_of(consortium) if context["may_invite"] else (),
        "role_offers": open_role_offers_of(consortium) if context["may_grant"] else (),
        "invitation_form": invitation_form or InvitationForm(),
        "role_form": role_form or RoleForm(),
    }
    status = 422 if invitation_form or role_form else 200
    return render(request, "dashboards/consortium/participants.html", context, status=status)


@require_safe
@login_required
def silos(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The silos with their health at a glance."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    found = silos_of(wanted).select_related("organisation", "refused_request")
    found = found.order_by("organisation__name", "name")
    context = {**frame(wanted, user, "silos"), "silos": silo_rows(list(found))}
    return render(request, "dashboards/consortium/silos.html", context)


@require_safe
@login_required
def datasets(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The datasets on offer."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    found = datasets_visible_to(user).filter(withdrawn_at=None, silo__in=silos_of(wanted))
    found = found.order_by("schema_digest", "title", "id")
    return _listed(request, wanted, "datasets", found)


@require_safe
@login_required
def jobs(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The jobs, newest first."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    return _listed(request, wanted, "jobs", jobs_visible_to(user).filter(consortium=wanted).order_by("-created_at"))


@require_safe
@login_required
def models(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """What jobs have learned, newest first."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    return _listed(request, wanted, "models", models_visible_to(user).filter(consortium=wanted).order_by("-created_at"))


@require_safe
@login_required
def activity(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """What happened here, as far as one may know of it."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    events = events_visible_to(user).filter(consortium_id=wanted.pk).order_by("-id")[:PAGE_SIZE]
    context = {**frame(wanted, user, "activity"), "rows": rows_of(user, list(events)), "shown": PAGE_SIZE}
    return render(request, "dashboards/consortium/activity.html", context)


def _listed(request: HttpRequest, consortium: Consortium, tab: str, found: Any) -> HttpResponse:
    context = frame(consortium, signed_in(request), tab)
    context["page"] = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, f"dashboards/consortium/{tab}.html", context)
