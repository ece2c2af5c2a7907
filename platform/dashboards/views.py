"""Pages that span apps: the one where a person comes in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from consortia.selectors import consortia_visible_to
from dashboards.selectors import jobs_for, waiting_for


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """One's consortia and jobs, and what waits for oneself."""
    user = signed_in(request)
    context = {
        "consortia": consortia_visible_to(user),
        "may_found": organisations_where(user, Permission.CONSORTIUM_FOUND).exists(),
        "waiting": waiting_for(user),
        "jobs": jobs_for(user),
    }
    return render(request, "dashboards/home.html", context)
