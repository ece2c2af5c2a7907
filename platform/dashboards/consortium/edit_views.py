"""What is done on a consortium's pages: organisations invited, roles granted, its description changed."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import signed_in, signed_in_afresh
from accounts.permissions import Permission
from accounts.selectors import person_with_email
from consortia import invitations
from consortia.access import access_consortium
from consortia.actions import edit_consortium
from consortia.forms import ConsortiumEditForm, InvitationForm, RoleForm
from consortia.models import ConsortiumRoleOffer
from consortia.role_offers import give_consortium_role
from consortia.selectors import organisation_with
from dashboards.consortium.views import frame, participants_page
from rest.pages import form_errors


@require_POST
@login_required
def invite(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Invite an organisation."""
    user = signed_in_afresh(request)
    wanted = access_consortium(user, consortium_id, Permission.PARTICIPANT_INVITE)
    form = InvitationForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            organisation = organisation_with(form.cleaned_data["organisation"])
            invitations.invite(
                consortium=wanted, organisation=organisation, message=form.cleaned_data["message"], by=user
            )
    if form.errors:
        return participants_page(request, wanted, invitation_form=form)
    messages.success(
        request, _("The invitation is sent. It waits on the home page of their administrators and stewards.")
    )
    return redirect("consortium-participants", wanted.pk)


@require_POST
@login_required
def grant(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Offer a role; one's own is there at once."""
    user = signed_in_afresh(request)
    wanted = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
    form = RoleForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            person = person_with_email(form.cleaned_data["email"])
            given = give_consortium_role(user=person, consortium=wanted, role=form.cleaned_data["role"], by=user)
            if isinstance(given, ConsortiumRoleOffer):
                messages.success(request, _("The role is offered. It waits for an answer on the person's home page."))
            else:
                messages.success(request, _("The role is granted."))
    if form.errors:
        return participants_page(request, wanted, role_form=form)
    return redirect("consortium-participants", wanted.pk)


@login_required
def settings(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Name and description; who may change them is informed when somebody else did so in the meantime."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id)
    known = {"name": wanted.name, "description": wanted.description, "seen": wanted.description_digest}
    form = ConsortiumEditForm(initial=known)
    if request.method == "POST":
        access_consortium(user, consortium_id, Permission.CONSORTIUM_EDIT)
        form = ConsortiumEditForm(request.POST)
        if form.is_valid():
            with form_errors(form):
                edit_consortium(consortium=wanted, **form.cleaned_data, by=user)
            if form.is_valid():
                messages.success(request, _("Saved."))
                return redirect("consortium-settings", wanted.pk)
    wanted.refresh_from_db()
    changed = bool(form.errors) and form.data.get("seen") != wanted.description_digest
    context = {**frame(wanted, user, "settings"), "form": form, "now_seen": wanted.description_digest}
    context["changed"] = changed
    return render(request, "dashboards/consortium/settings.html", context, status=422 if form.errors else 200)
