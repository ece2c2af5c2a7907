"""Pages: silos, their enrolment and how they do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import access_organisations, signed_in
from accounts.models import User
from accounts.permissions import Permission
from accounts.selectors import organisation_permissions_of, organisations_where
from rest.pages import told, valid
from silos import actions, selectors
from silos.forms import ConfirmationForm, SiloForm
from silos.models import Silo
from silos.permissions import access_silo

PAGE_SIZE = 50


@require_safe
@login_required
def silos(request: HttpRequest) -> HttpResponse:
    """The silos of one's organisations and of those that they train with."""
    user = signed_in(request)
    found = selectors.silos_visible_to(user).order_by("organisation__name", "name")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(silo, selectors.health_of(silo)) for silo in page]
    may_make = organisations_where(user, Permission.SILO_ENROL).exists()
    return render(request, "silos/silos.html", {"page": page, "rows": rows, "may_make": may_make})


@login_required
def new_silo(request: HttpRequest) -> HttpResponse:
    """Give a silo its name."""
    user = signed_in(request)
    houses = access_organisations(user, Permission.SILO_ENROL)
    form = SiloForm(request.POST or None, organisations=houses)
    if request.method == "POST" and form.is_valid():
        silo = None
        with told(request, "The silo has its name. Now enrol its connector."):
            silo = actions.create(**form.cleaned_data, by=user)
        if silo is not None:
            return redirect("silo", silo.id)
    return render(request, "silos/new.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@login_required
def silo(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """A silo: what it is known by, how it does, what it offers and what it was told to do."""
    user = signed_in(request)
    return render(request, "silos/silo.html", _context(access_silo(user, silo_id), user))


@require_POST
@never_cache
@login_required
def code(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """A new enrolment code, shown on the page that answers and nowhere else."""
    user = signed_in(request)
    wanted = access_silo(user, silo_id, Permission.SILO_ENROL)
    secret, row = actions.issue_code(silo=wanted, by=user)
    context = {
        **_context(wanted, user),
        "code": secret,
        "code_expires_at": row.expires_at,
        "platform_url": settings.PUBLIC_URL,
        "platform_key": selectors.platform_keys()[0],
    }
    return render(request, "silos/silo.html", context)


@require_POST
@login_required
def confirm(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """The fingerprints were compared."""
    user = signed_in(request)
    wanted = access_silo(user, silo_id, Permission.SILO_CONFIRM)
    form = ConfirmationForm(request.POST)
    with told(request, "Confirmed: the connector may work from now on."):
        fingerprint = valid(form)["identity_fingerprint"]
        actions.confirm(silo=wanted, identity_fingerprint=fingerprint, by=user)
    return redirect("silo", wanted.id)


@login_required
def revoke(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """Ask first, then revoke."""
    user = signed_in(request)
    wanted = access_silo(user, silo_id, Permission.SILO_REVOKE)
    back = reverse("silo", args=[wanted.id])
    if request.method == "POST":
        with told(request, f"{wanted.name} is revoked."):
            actions.revoke(silo=wanted, by=user)
        return redirect(back)
    context = {
        "question": f"Revoke {wanted.name}?",
        "consequence": "Its keys count for nothing any more, and running jobs go on without it. "
        "It can be enrolled again with a new code and new keys.",
        "yes": "Revoke it",
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


def _context(silo: Silo, user: User) -> dict[str, Any]:
    allowed = organisation_permissions_of(user, silo.organisation)
    return {
        "silo": silo,
        "health": selectors.health_of(silo),
        "datasets": silo.datasets.all(),
        "orders": selectors.recent_orders(silo, user),
        "may_enrol": Permission.SILO_ENROL in allowed,
        "may_confirm": Permission.SILO_CONFIRM in allowed and silo.state == Silo.State.PRESENTED,
        "may_revoke": Permission.SILO_REVOKE in allowed and silo.state != Silo.State.REVOKED,
        "confirmation_form": ConfirmationForm(),
    }
