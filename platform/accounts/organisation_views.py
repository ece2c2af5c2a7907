"""Pages: organisations, their people and their signatory keys."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import (
    access_organisation,
    access_organisation_role,
    access_role_offer,
    access_signatory_key,
    access_user,
    may,
    require,
    require_welcome,
    signed_in,
    signed_in_afresh,
)
from accounts.actions import (
    add_signatory_key,
    create_organisation,
    edit_organisation,
    renew_welcome,
    revoke_role,
    revoke_signatory_key,
)
from accounts.forms import OrganisationEditForm, OrganisationForm, PersonForm, SignatoryKeyForm
from accounts.models import Organisation, OrganisationRoleOffer, User
from accounts.permissions import Permission, Role
from accounts.role_offers import invite_or_create_user, withdraw
from accounts.selectors import open_role_offers_of, organisation_permissions_of, organisations_visible_to, people_of
from rest.pages import flash_result, form_errors


@login_required
def organisations(request: HttpRequest) -> HttpResponse:
    """The organisations that one sees; the platform's operator takes new ones in."""
    user = signed_in(request)
    form = OrganisationForm(request.POST or None) if may(user, Permission.ORGANISATION_CREATE) else None
    if request.method == "POST":
        require(user, Permission.ORGANISATION_CREATE)
        if form is not None and form.is_valid():
            with form_errors(form):
                create_organisation(**form.cleaned_data, by=user)
            if form.is_valid():
                messages.success(request, _("The organisation is taken in."))
                return redirect("organisations")
    context = {"organisations": organisations_visible_to(user), "form": form}
    return render(request, "accounts/organisations.html", context, status=422 if form and form.errors else 200)


@require_safe
@login_required
def organisation(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """An organisation: who belongs to it, and how it signs."""
    user = signed_in(request)
    return _page(request, access_organisation(user, organisation_id))


def _page(
    request: HttpRequest,
    organisation: Organisation,
    form: PersonForm | None = None,
    *,
    key_form: SignatoryKeyForm | None = None,
) -> HttpResponse:
    allowed = organisation_permissions_of(signed_in(request), organisation)
    context = {
        "organisation": organisation,
        "people": people_of(organisation),
        "offers": open_role_offers_of(organisation),
        "signatory_keys": organisation.signatory_keys.all(),
        "silos_with_pending_keys": organisation.silos.exclude(pending_signatory_key=None).order_by("name"),
        "may_grant": Permission.ORGANISATION_ROLE_GRANT in allowed,
        "may_sign": Permission.SIGNATORY_KEY_MANAGE in allowed,
        "may_edit": Permission.ORGANISATION_EDIT in allowed,
        "form": form or PersonForm(),
        "key_form": key_form or SignatoryKeyForm(),
    }
    status = 422 if form or key_form else 200
    return render(request, "accounts/organisation.html", context, status=status)


@login_required
def edit(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """Correct what is known of it; anyone who may is informed when somebody else did so in the meantime."""
    user = signed_in(request)
    member_organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_EDIT)
    known = {"name": member_organisation.name, "country": member_organisation.country, "kind": member_organisation.kind}
    form = OrganisationEditForm(request.POST if request.method == "POST" else None, initial=known)
    if form.is_valid():
        with form_errors(form):
            edit_organisation(organisation=member_organisation, **form.cleaned_data, by=user)
        if form.is_valid():
            messages.success(request, _("Saved."))
            return redirect("organisation", member_organisation.pk)
    member_organisation.refresh_from_db()
    context = {"organisation": member_organisation, "form": form, "now_seen": member_organisation.facts_digest}
    context["changed"] = bool(form.errors) and form.data.get("seen") != member_organisation.facts_digest
    return render(request, "accounts/organisation_edit.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def add_person(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """Take somebody in: a role, or the offer of one, for who has an account; an account for who has none."""
    user = signed_in_afresh(request)
    member_organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
    form = PersonForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            came = invite_or_create_user(organisation=member_organisation, **form.cleaned_data, by=user)
            person = came if isinstance(came, User) else came.user
            names = {"person": person.full_name, "role": Role(form.cleaned_data["role"]).label}
            if isinstance(came, OrganisationRoleOffer):
                messages.success(request, _("%(person)s is offered a role here: %(role)s. They accept it.") % names)
            else:
                messages.success(request, _("%(person)s has a role here now: %(role)s.") % names)
            if isinstance(came, User):
                _notify_of_invitation(request, person)
    if form.errors:
        return _page(request, member_organisation, form)
    return redirect("organisation", member_organisation.pk)


@require_POST
@login_required
def welcome_again(request: HttpRequest, organisation_id: UUID, user_id: UUID) -> HttpResponse:
    """A new link for somebody who missed theirs, sent to their own address."""
    user = signed_in_afresh(request)
    organisation = access_organisation(user, organisation_id)
    person = access_user(user, user_id)
    require_welcome(user, person)
    with flash_result(request, _("An invitation is on its way to %(email)s.") % {"email": person.email}):
        renew_welcome(user=person, by=user)
    return redirect("organisation", organisation.pk)


def _notify_of_invitation(request: HttpRequest, person: User) -> None:
    messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": person.email})


@require_POST
@login_required
def withdraw_offer(request: HttpRequest, organisation_id: UUID, offer_id: UUID) -> HttpResponse:
    """Take the offer of a role back."""
    user = signed_in_afresh(request)
    organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
    with flash_result(request, _("The offer is taken back.")):
        withdraw(offer=access_role_offer(organisation, offer_id), by=user)
    return redirect("organisation", organisation.pk)


@require_POST
@login_required
def remove_role(request: HttpRequest, organisation_id: UUID, role_id: UUID) -> HttpResponse:
    """Take a role back."""
    user = signed_in_afresh(request)
    member_organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
    with flash_result(request, _("The role is taken back.")):
        revoke_role(granted=access_organisation_role(member_organisation, role_id), by=user)
    if not may(user, Permission.ORGANISATION_VIEW, organisation=member_organisation):
        return redirect("home")
    return redirect("organisation", member_organisation.pk)


@require_POST
@login_required
def add_key(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """Register the public half of a signatory key."""
    user = signed_in_afresh(request)
    member_organisation = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
    form = SignatoryKeyForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            add_signatory_key(organisation=member_organisation, public_key=form.cleaned_data["public_key"], by=user)
    if form.errors:
        return _page(request, member_organisation, key_form=form)
    messages.success(request, _("The signatory key is registered. Compare its fingerprint."))
    return redirect("organisation", member_organisation.pk)


@login_required
def revoke_key(request: HttpRequest, organisation_id: UUID, signatory_key_id: UUID) -> HttpResponse:
    """Ask first; then the organisation no longer stands by its key."""
    user = signed_in_afresh(request)
    organisation = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
    key = access_signatory_key(organisation, signatory_key_id)
    if request.method == "POST":
        with flash_result(request, _("The signatory key is revoked.")):
            revoke_signatory_key(signatory_key=key, by=user)
        return redirect("organisation", organisation.pk)
    context = {
        "question": _("Revoke the signatory key %(fingerprint)s?") % {"fingerprint": key.fingerprint},
        "consequence": _(
            "%(organisation)s signs with it no more, and no silo can be enrolled by it. Another key can be registered "
            "afterwards. This can't be undone."
        )
        % {"organisation": organisation.name},
        "yes": _("Revoke it"),
        "back": reverse("organisation", args=[organisation.pk]),
    }
    return render(request, "_components/confirm.html", context)
