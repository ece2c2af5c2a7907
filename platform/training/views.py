"""Pages: the list of jobs."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.permissions import may
from training import selectors

PAGE_SIZE = 50


@require_safe
@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    """The jobs that one sees, or those of one consortium; newest first."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    found = selectors.jobs_visible_to(user)
    if consortium is not None:
        found = found.filter(consortium=consortium)
    context = {
        "page": Paginator(found.order_by("-created_at"), PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": f"consortium={consortium.id}&" if consortium else "",
        "may_launch": consortium is not None and may(user, Permission.JOB_LAUNCH, consortium=consortium),
    }
    return render(request, "training/jobs.html", context)
