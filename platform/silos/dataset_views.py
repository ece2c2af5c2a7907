"""Pages: the datasets that silos offer."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import may, signed_in
from accounts.permissions import Permission
from consortia.access import access_consortium
from rest.pages import told
from silos import selectors
from silos.datasets import offer_again, withdraw
from silos.permissions import access_dataset
from silos.views import PAGE_SIZE


@require_safe
@login_required
def datasets(request: HttpRequest) -> HttpResponse:
    """The datasets on offer: all that one sees, or those of one consortium."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    found = selectors.datasets_visible_to(user).filter(withdrawn_at=None)
    if consortium is not None:
        found = found.filter(silo__in=selectors.silos_of(consortium))
    found = found.order_by("title", "silo__organisation__name", "id")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    query = f"consortium={consortium.id}&" if consortium else ""
    return render(request, "silos/datasets.html", {"page": page, "consortium": consortium, "query": query})


@require_safe
@login_required
def dataset(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """What a silo has declared of a dataset."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id)
    declaration = selectors.declaration_of(wanted)
    may_manage = may(user, Permission.DATASET_MANAGE, organisation=wanted.silo.organisation)
    context = {
        "dataset": wanted,
        "declaration": declaration,
        "steps": selectors.steps_of(declaration),
        "may_withdraw": may_manage and (wanted.withdrawn_at is None or wanted.withdrawn_by_silo),
        "may_offer": may_manage and wanted.withdrawn_at is not None and not wanted.withdrawn_by_silo,
    }
    return render(request, "silos/dataset.html", context)


@login_required
def dataset_withdraw(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Ask first, then withdraw."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
    back = reverse("dataset", args=[wanted.id])
    if request.method == "POST":
        with told(request, f"“{wanted.title}” is withdrawn."):
            withdraw(dataset=wanted, by=user)
        return redirect(back)
    context = {
        "question": f"Withdraw “{wanted.title}”?",
        "consequence": "New jobs can't name it until somebody offers it again. Jobs that are running with it go on.",
        "yes": "Withdraw it",
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


@require_POST
@login_required
def dataset_offer(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Offer it again."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
    with told(request, f"“{wanted.title}” is on offer again."):
        offer_again(dataset=wanted, by=user)
    return redirect(reverse("dataset", args=[wanted.id]))
