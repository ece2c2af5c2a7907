"""Pages: founding a consortium, leaving it, removing from it; invitations. Those of one stand in `dashboards`."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import access_organisations, signed_in, signed_in_afresh
from accounts.models import User
from accounts.permissions import Permission
from consortia import invitations
from consortia.access import (
    access_consortium,
    access_consortium_role,
    access_invitation_to_answer,
    access_invitation_to_withdraw,
    access_own_role_offer,
    access_participation_to_end,
    access_participation_to_leave,
    access_role_offer,
)
from consortia.actions import (
    end_participation,
    found_consortium,
    leave_consortium,
    revoke_consortium_role,
)
from consortia.forms import ConsortiumForm, RemovalForm
from consortia.models import Consortium, Participation
from consortia.offer_endings import decline
from consortia.offer_endings import withdraw as withdraw_role_offer
from consortia.role_offers import accept
from consortia.selectors import consortia_visible_to
from rest.pages import flash_result


@login_required
def found(request: HttpRequest) -> HttpResponse:
    """Found a consortium."""
    user = signed_in(request)
    member_organisations = access_organisations(user, Permission.CONSORTIUM_FOUND)
    form = ConsortiumForm(
        request.POST or None,
        organisations=member_organisations,
        organisation_required=not user.is_platform_administrator,
    )
    if request.method == "POST" and form.is_valid():
        consortium = None
        with flash_result(request, _("The consortium is founded.")):
            consortium = found_consortium(**form.cleaned_data, by=user)
        if consortium is not None:
            return redirect("consortium", consortium.pk)
    return render(request, "consortia/found.html", {"form": form}, status=422 if form.errors else 200)


def _names(participation: Participation) -> dict[str, str]:
    return {"organisation": str(participation.organisation), "consortium": str(participation.consortium)}


@login_required
def leave(request: HttpRequest, consortium_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Ask first; then an organisation leaves."""
    user = signed_in_afresh(request)
    participation = access_participation_to_leave(user, consortium_id, organisation_id)
    names = _names(participation)
    if request.method == "POST":
        with flash_result(request, _("%(organisation)s has left %(consortium)s.") % names):
            leave_consortium(participation=participation, by=user)
        return redirect("home")
    context = {
        "question": _("Leave %(consortium)s with %(organisation)s?") % names,
        "consequence": _(
            "Your silos get no further orders from it. Your people see it no longer, and their roles "
            "in it end. What you contributed to stays. You come back only when you are invited again."
        ),
        "yes": _("Leave it"),
        "back": reverse("consortium-participants", args=[participation.consortium_id]),
    }
    return render(request, "_components/confirm.html", context)


@login_required
def remove(request: HttpRequest, consortium_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Ask first, and why; then end an organisation's participation."""
    user = signed_in_afresh(request)
    participation = access_participation_to_end(user, consortium_id, organisation_id)
    names = _names(participation)
    form = RemovalForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with flash_result(request, _("%(organisation)s takes part no longer.") % names):
            end_participation(participation=participation, reason=form.cleaned_data["reason"], by=user)
        return _back_to(participation.consortium, user)
    context = {
        "question": _("Remove %(organisation)s from %(consortium)s?") % names,
        "consequence": _(
            "Its silos get no further orders, its people see the consortium no longer, and their roles here "
            "end. What it contributed to stays. It can be invited again."
        ),
        "form": form,
        "yes": _("Remove it"),
        "back": reverse("consortium-participants", args=[participation.consortium_id]),
    }
    return render(request, "_components/confirm.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: HttpRequest, consortium_id: UUID, role_id: UUID) -> HttpResponse:
    """Take a role back."""
    user = signed_in_afresh(request)
    wanted = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
    with flash_result(request, _("The role is taken back.")):
        revoke_consortium_role(granted=access_consortium_role(wanted, role_id), by=user)
    return _back_to(wanted, user)


def _back_to(wanted: Consortium, user: User) -> HttpResponse:
    """The consortium's page, while they still see it."""
    if not consortia_visible_to(user).filter(pk=wanted.pk).exists():
        return redirect("home")
    return redirect("consortium-participants", wanted.pk)


@require_POST
@login_required
def answer(request: HttpRequest, invitation_id: UUID, answer: str) -> HttpResponse:
    """Accept or decline, for an organisation of one's own."""
    user = signed_in_afresh(request) if answer == "accept" else signed_in(request)
    invitation = access_invitation_to_answer(user, invitation_id)
    act, done = {
        "accept": (invitations.accept, _("Your organisation takes part now.")),
        "decline": (invitations.decline, _("The invitation is declined.")),
    }[answer]
    with flash_result(request, done):
        act(invitation=invitation, by=user)
    return redirect("home")


@require_POST
@login_required
def withdraw(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    user = signed_in(request)
    invitation = access_invitation_to_withdraw(user, invitation_id)
    with flash_result(request, _("The invitation is taken back.")):
        invitations.withdraw(invitation=invitation, by=user)
    return redirect("consortium-participants", invitation.participation.consortium_id)


@require_POST
@login_required
def answer_role_offer(request: HttpRequest, offer_id: UUID, answer: str) -> HttpResponse:
    """Accept a role in a consortium, or decline it."""
    user = signed_in_afresh(request)
    offer = access_own_role_offer(user, offer_id)
    names = {"role": offer.get_role_display(), "place": offer.consortium.name}
    if answer == "accept":
        with flash_result(request, _("You have a role in %(place)s now: %(role)s.") % names):
            accept(offer=offer, by=user)
    else:
        with flash_result(request, _("You have declined the role in %(place)s.") % names):
            decline(offer=offer, by=user)
    return redirect("home")


@require_POST
@login_required
def withdraw_offer(request: HttpRequest, consortium_id: UUID, offer_id: UUID) -> HttpResponse:
    """Take the offer of a role back."""
    user = signed_in_afresh(request)
    wanted = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
    with flash_result(request, _("The offer is taken back.")):
        withdraw_role_offer(offer=access_role_offer(wanted, offer_id), by=user)
    return redirect("consortium-participants", wanted.pk)
