"""Pages: models and their versions."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.selectors import permissions_of
from registry import selectors
from registry.cards import parameters_of
from registry.permissions import access_model

PAGE_SIZE = 50


@require_safe
@login_required
def models(request: HttpRequest) -> HttpResponse:
    """The models that one sees, or those of one consortium; newest first."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    found = selectors.models_visible_to(user).order_by("-created_at")
    if consortium is not None:
        found = found.filter(consortium=consortium)
    context = {
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": f"consortium={consortium.id}&" if consortium else "",
    }
    return render(request, "registry/models.html", context)


@require_safe
@login_required
def model(request: HttpRequest, model_id: UUID) -> HttpResponse:
    """A model: what it is, and a version for every round."""
    user = signed_in(request)
    wanted = access_model(user, model_id)
    allowed = permissions_of(user, consortium=wanted.consortium)
    versions = wanted.versions.order_by("-round_number")
    context = {
        "model": wanted,
        "parameters": parameters_of(wanted),
        "job": next((job for job in wanted.jobs.all() if job.task == "train"), None),
        "best": versions.filter(is_best=True).first(),
        "page": Paginator(versions, PAGE_SIZE).get_page(request.GET.get("page")),
        "may_download": Permission.MODEL_DOWNLOAD in allowed,
        "may_launch": Permission.JOB_LAUNCH in allowed,
    }
    return render(request, "registry/model.html", context)
