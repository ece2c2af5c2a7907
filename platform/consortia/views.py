"""Pages: the consortia that one sees, and one of them."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import access_organisations, signed_in
from accounts.models import User
from accounts.permissions import Permission
from accounts.selectors import person_with_email
from consortia import invitations
from consortia.access import (
    access_consortium,
    access_consortium_role,
    access_invitation_to_answer,
    access_invitation_to_withdraw,
    access_participation_to_end,
    access_participation_to_leave,
)
from consortia.actions import (
    end_participation,
    found_consortium,
    grant_consortium_role,
    leave_consortium,
    revoke_consortium_role,
)
from consortia.forms import ConsortiumForm, InvitationForm, RemovalForm, RoleForm
from consortia.models import Consortium
from consortia.selectors import (
    consortia_visible_to,
    open_invitations_of,
    organisation_with,
    organisations_that_may_leave,
    permissions_of,
)
from rest.pages import told, valid


@login_required
def found(request: HttpRequest) -> HttpResponse:
    """Found a consortium."""
    user = signed_in(request)
    houses = access_organisations(user, Permission.CONSORTIUM_FOUND)
    form = ConsortiumForm(
        request.POST or None, organisations=houses, organisation_required=not user.is_platform_administrator
    )
    if request.method == "POST" and form.is_valid():
        consortium = None
        with told(request, "The consortium is founded."):
            consortium = found_consortium(**form.cleaned_data, by=user)
        if consortium is not None:
            return redirect("consortium", consortium.pk)
    return render(request, "consortia/found.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@login_required
def consortium(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """A consortium: who takes part, and who is what in it."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    allowed = permissions_of(user, consortium=wanted)
    context = {
        "consortium": wanted,
        "participations": wanted.participations.select_related("organisation").order_by("organisation__name"),
        "invitations": open_invitations_of(wanted) if Permission.PARTICIPANT_INVITE in allowed else (),
        "roles": wanted.roles.select_related("user").order_by("user__full_name", "role"),
        "leavable": {organisation.pk for organisation in organisations_that_may_leave(user, wanted)},
        "may_invite": Permission.PARTICIPANT_INVITE in allowed,
        "may_remove": Permission.PARTICIPANT_REMOVE in allowed,
        "may_grant": Permission.CONSORTIUM_ROLE_GRANT in allowed,
        "may_launch": Permission.JOB_LAUNCH in allowed,
        "invitation_form": InvitationForm(),
        "role_form": RoleForm(),
    }
    return render(request, "consortia/consortium.html", context)


@require_POST
@login_required
def invite(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Invite an organisation."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.PARTICIPANT_INVITE)
    form = InvitationForm(request.POST)
    with told(request, "The invitation is sent."):
        checked = valid(form)
        organisation = organisation_with(checked["organisation"])
        invitations.invite(consortium=wanted, organisation=organisation, message=checked["message"], by=user)
    return redirect("consortium", wanted.pk)


@require_POST
@login_required
def leave(request: HttpRequest, consortium_id: UUID, organisation_id: UUID) -> HttpResponse:
    """An organisation leaves."""
    user = signed_in(request)
    participation = access_participation_to_leave(user, consortium_id, organisation_id)
    with told(request, f"{participation.organisation} has left {participation.consortium}."):
        leave_consortium(participation=participation, by=user)
    return redirect("home")


@login_required
def remove(request: HttpRequest, consortium_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Ask first, and why; then end an organisation's participation."""
    user = signed_in(request)
    participation = access_participation_to_end(user, consortium_id, organisation_id)
    form = RemovalForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with told(request, f"{participation.organisation} takes part no longer."):
            end_participation(participation=participation, reason=form.cleaned_data["reason"], by=user)
        return _back_to(participation.consortium, user)
    context = {
        "question": f"Remove {participation.organisation} from {participation.consortium}?",
        "consequence": "Its silos get no further orders, its people see the consortium no longer, and their roles here "
        "end. What it contributed to stays. It can be invited again.",
        "form": form,
        "yes": "Remove it",
        "back": reverse("consortium", args=[participation.consortium_id]),
    }
    return render(request, "_components/confirm.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def grant(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Grant a role."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
    form = RoleForm(request.POST)
    with told(request, "The role is granted."):
        checked = valid(form)
        person = person_with_email(checked["email"])
        grant_consortium_role(user=person, consortium=wanted, role=checked["role"], by=user)
    return redirect("consortium", wanted.pk)


@require_POST
@login_required
def revoke(request: HttpRequest, consortium_id: UUID, role_id: UUID) -> HttpResponse:
    """Take a role back."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
    with told(request, "The role is taken back."):
        revoke_consortium_role(granted=access_consortium_role(wanted, role_id), by=user)
    return _back_to(wanted, user)


def _back_to(wanted: Consortium, user: User) -> HttpResponse:
    """The consortium's page, while they still see it."""
    if not consortia_visible_to(user).filter(pk=wanted.pk).exists():
        return redirect("home")
    return redirect("consortium", wanted.pk)


@require_POST
@login_required
def answer(request: HttpRequest, invitation_id: UUID, answer: str) -> HttpResponse:
    """Accept or decline, for an organisation of one's own."""
    user = signed_in(request)
    invitation = access_invitation_to_answer(user, invitation_id)
    act, done = {
        "accept": (invitations.accept, "Your organisation takes part now."),
        "decline": (invitations.decline, "The invitation is declined."),
    }[answer]
    with told(request, done):
        act(invitation=invitation, by=user)
    return redirect("home")


@require_POST
@login_required
def withdraw(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    user = signed_in(request)
    invitation = access_invitation_to_withdraw(user, invitation_id)
    with told(request, "The invitation is taken back."):
        invitations.withdraw(invitation=invitation, by=user)
    return redirect("consortium", invitation.participation.consortium_id)
