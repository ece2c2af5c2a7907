"""Pages: silos, their enrolment and how they do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import access_organisations, signed_in, signed_in_afresh
from accounts.models import User
from accounts.permissions import Permission
from accounts.selectors import organisation_permissions_of, organisations_where
from rest.pages import flash_result, form_errors
from silos import actions, selectors
from silos.capabilities import capability_rows, needs_upgrade
from silos.capability_changes import changed_rows
from silos.enrolment import Stage, Texts, etag_of, open_code_of, stage_of, texts_for
from silos.forms import ConfirmationForm, SiloForm
from silos.models import Silo
from silos.permissions import access_silo
from silos.refused import is_refused_now, refusal_of, remedy_for

PAGE_SIZE = 50


@require_safe
@login_required
def silos(request: HttpRequest) -> HttpResponse:
    """The silos of one's organisations and of those that they train with."""
    user = signed_in(request)
    found = selectors.silos_visible_to(user).order_by("organisation__name", "name")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = selectors.silo_rows(list(page))
    may_make = organisations_where(user, Permission.SILO_ENROL).exists()
    return render(request, "silos/silos.html", {"page": page, "rows": rows, "may_make": may_make})


@login_required
def new_silo(request: HttpRequest) -> HttpResponse:
    """Give a silo its name."""
    user = signed_in(request)
    member_organisations = access_organisations(user, Permission.SILO_ENROL)
    form = SiloForm(request.POST or None, organisations=member_organisations)
    if request.method == "POST" and form.is_valid():
        silo = None
        with flash_result(request, _("The silo has its name. Now enrol its connector.")):
            silo = actions.create(**form.cleaned_data, by=user)
        if silo is not None:
            return redirect("silo", silo.id)
    return render(request, "silos/new.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@login_required
def silo(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """A silo: what it is known by, how it does, what it offers and what it was asked to do."""
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
    return render(request, "silos/silo.html", _context(wanted, user, texts=texts_for(wanted, secret, row.expires_at)))


@require_safe
@never_cache
@login_required
def progress(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """For a page that waits: the same line again, or, once the silo has got on, the way to its page again."""
    wanted = access_silo(signed_in(request), silo_id)
    if request.GET.get("mark") != etag_of(wanted):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("silo", args=[wanted.id])})
    return HttpResponse(status=204)


@require_POST
@login_required
def confirm(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """The fingerprints were compared."""
    user = signed_in_afresh(request)
    wanted = access_silo(user, silo_id, Permission.SILO_CONFIRM)
    form = ConfirmationForm(request.POST, asks_signatory=wanted.pending_signatory_key is not None)
    if form.is_valid():
        with form_errors(form):
            actions.confirm(silo=wanted, **form.cleaned_data, by=user)
    if form.errors:
        return render(request, "silos/silo.html", _context(wanted, user, confirmation_form=form), status=422)
    messages.success(request, _("Confirmed: the connector may work from now on."))
    return redirect("silo", wanted.id)


@login_required
def revoke(request: HttpRequest, silo_id: UUID) -> HttpResponse:
    """Ask first, then revoke."""
    user = signed_in(request)
    wanted = access_silo(user, silo_id, Permission.SILO_REVOKE)
    back = reverse("silo", args=[wanted.id])
    if request.method == "POST":
        with flash_result(request, _("%(name)s is revoked.") % {"name": wanted.name}):
            actions.revoke(silo=wanted, by=user)
        return redirect(back)
    context = {
        "question": _("Revoke %(name)s?") % {"name": wanted.name},
        "consequence": _(
            "Its keys count for nothing any more, and running jobs go on without it. "
            "It can be enrolled again with a new code and new keys."
        ),
        "yes": _("Revoke it"),
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


def _context(
    silo: Silo, user: User, *, texts: Texts | None = None, confirmation_form: ConfirmationForm | None = None
) -> dict[str, Any]:
    allowed = organisation_permissions_of(user, silo.organisation)
    stage = stage_of(silo, has_code=texts is not None)
    health = selectors.health_of(silo)
    orders = list(selectors.recent_orders(silo, user))
    may_enrol = Permission.SILO_ENROL in allowed
    return {
        "silo": silo,
        "health": health,
        "health_label": selectors.HEALTH[health],
        **_refused(silo),
        "datasets": silo.datasets.order_by("title"),
        "orders": orders,
        "pick_up_s": selectors.median_pick_up_s(orders),
        "stage": stage,
        "mark": etag_of(silo),
        "leads": stage is not Stage.DONE and (may_enrol or Permission.SILO_CONFIRM in allowed),
        "texts": texts or (texts_for(silo) if may_enrol and stage is not Stage.DONE else None),
        "open_code": open_code_of(silo) if may_enrol and texts is None else None,
        "may_enrol": may_enrol,
        "may_confirm": Permission.SILO_CONFIRM in allowed and silo.state == Silo.State.PRESENTED,
        "may_revoke": Permission.SILO_REVOKE in allowed and silo.state != Silo.State.REVOKED,
        "confirmation_form": confirmation_form
        or ConfirmationForm(asks_signatory=silo.pending_signatory_key is not None),
    }


def _refused(silo: Silo) -> dict[str, Any]:
    """The last request that was refused, for the silo's own people."""
    last = refusal_of(silo) if getattr(silo, "is_own", False) else None
    return {
        "last_refused_request": last,
        "refused_advice": remedy_for(last) if last else "",
        "needs_upgrade": needs_upgrade(silo),
        "capabilities": capability_rows(silo),
        "capability_changes": list(changed_rows(silo)),
        "is_refused_now": last is not None and (is_refused_now(silo) or silo.state == Silo.State.REVOKED),
    }
