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
from consortia.selectors import consortia_visible_to
from rest.pages import query_without_page
from training.reading import selectors
from training.reading.job_filter_form import JobsAsked

PAGE_SIZE = 50


@require_safe
@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    """The jobs that one sees, or those that were asked for; newest first. Two and more can be compared."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    form = JobsAsked(request.GET, consortia=consortia_visible_to(user))
    found = form.narrow(selectors.jobs_visible_to(user)).order_by("-created_at")
    context = {
        "form": form,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": query_without_page(request, "page"),
        "may_launch": consortium is not None and may(user, Permission.JOB_LAUNCH, consortium=consortium),
    }
    return render(request, "training/jobs.html", context)
