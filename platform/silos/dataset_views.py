"""Pages: the list of datasets that silos offer, and their withdrawal; that of one stands in `dashboards`."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.selectors import consortia_visible_to
from rest.pages import flash_result, query_without_page
from silos import selectors
from silos.dataset_list import DatasetsAsked
from silos.datasets import offer_again, withdraw
from silos.growth import confirm_rows
from silos.permissions import access_dataset
from silos.views import PAGE_SIZE


@require_safe
@login_required
def datasets(request: HttpRequest) -> HttpResponse:
    """The datasets on offer: all that one sees, or those that were asked for."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    form = DatasetsAsked(request.GET, consortia=consortia_visible_to(user))
    found = form.narrow(selectors.datasets_visible_to(user)).order_by("title", "silo__organisation__name", "id")
    context = {
        "form": form,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": query_without_page(request, "page"),
    }
    return render(request, "silos/datasets.html", context)


@login_required
def dataset_withdraw(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Ask first, then withdraw."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
    back = reverse("dataset", args=[wanted.id])
    if request.method == "POST":
        with flash_result(request, _("“%(title)s” is withdrawn.") % {"title": wanted.title}):
            withdraw(dataset=wanted, by=user)
        return redirect(back)
    context = {
        "question": _("Withdraw “%(title)s”?") % {"title": wanted.title},
        "consequence": _("New jobs can't name it until somebody offers it again. Jobs that are running with it go on."),
        "yes": _("Withdraw it"),
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


@require_POST
@login_required
def dataset_offer(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Offer it again."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
    with flash_result(request, _("“%(title)s” is on offer again.") % {"title": wanted.title}):
        offer_again(dataset=wanted, by=user)
    return redirect(reverse("dataset", args=[wanted.id]))


@require_POST
@login_required
def dataset_rows(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Confirm that it has grown so much."""
    user = signed_in(request)
    wanted = access_dataset(user, dataset_id, Permission.DATASET_CONFIRM)
    seen = request.POST.get("rows_coarse", "")
    with flash_result(
        request, _("The rows of “%(title)s” count in jobs that begin from now on.") % {"title": wanted.title}
    ):
        confirm_rows(dataset=wanted, rows_coarse=int(seen) if seen.isdecimal() else -1, by=user)
    return redirect(reverse("dataset", args=[wanted.id]))
