"""Pages: the list of models."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from consortia.access import access_consortium
from registry import selectors

PAGE_SIZE = 50


@require_safe
@login_required
def models(request: HttpRequest) -> HttpResponse:
    """The models that one sees, or those of one consortium; newest first."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    found = selectors.listed_models(user).order_by("-created_at")
    if consortium is not None:
        found = found.filter(consortium=consortium)
    context = {
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": f"consortium={consortium.id}&" if consortium else "",
    }
    return render(request, "registry/models.html", context)
