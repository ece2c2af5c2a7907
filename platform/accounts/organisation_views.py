"""Pages: organisations, their people and their signatory keys."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import (
    access_organisation,
    access_organisation_role,
    access_signatory_key,
    access_user,
    may,
    require,
    require_welcome,
    signed_in,
)
from accounts.actions import (
    add_signatory_key,
    create_organisation,
    renew_welcome,
    revoke_role,
    revoke_signatory_key,
    take_in,
)
from accounts.forms import OrganisationForm, PersonForm, SignatoryKeyForm
from accounts.models import Organisation, User
from accounts.permissions import Permission
from accounts.selectors import organisation_permissions_of, organisations_visible_to, people_of
from accounts.welcome import welcome_url
from federation.protocol.keys import PublicKey
from rest.pages import told, valid


@login_required
def organisations(request: HttpRequest) -> HttpResponse:
    """The organisations that one sees; whoever keeps the platform takes new ones in."""
    user = signed_in(request)
    form = OrganisationForm(request.POST or None) if may(user, Permission.ORGANISATION_CREATE) else None
    if request.method == "POST":
        require(user, Permission.ORGANISATION_CREATE)
        if form is not None and form.is_valid():
            with told(request, _("The organisation is taken in.")):
                create_organisation(**form.cleaned_data, by=user)
            return redirect("organisations")
    context = {"organisations": organisations_visible_to(user), "form": form}
    return render(request, "accounts/organisations.html", context, status=422 if form and form.errors else 200)


@require_safe
@login_required
def organisation(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """An organisation: who belongs to it, and how it signs."""
    user = signed_in(request)
    return _page(request, access_organisation(user, organisation_id), PersonForm())


def _page(
    request: HttpRequest, house: Organisation, form: PersonForm, welcome: str = "", status: int = 200
) -> HttpResponse:
    allowed = organisation_permissions_of(signed_in(request), house)
    context = {
        "organisation": house,
        "people": people_of(house),
        "signatory_keys": house.signatory_keys.all(),
        "may_grant": Permission.ORGANISATION_ROLE_GRANT in allowed,
        "may_sign": Permission.SIGNATORY_KEY_MANAGE in allowed,
        "form": form,
        "key_form": SignatoryKeyForm(),
        "welcome": welcome,
    }
    return render(request, "accounts/organisation.html", context, status=status)


@never_cache
@require_POST
@login_required
def add_person(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """Take somebody in: a role for who has an account, an account for who has none."""
    user = signed_in(request)
    house = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page(request, house, form, status=422)
    welcome = ""
    with told(request, _("Done.")):
        person, is_new = take_in(organisation=house, **form.cleaned_data, by=user)
        welcome = _handed_over(request, person) if is_new else ""
    return _page(request, house, PersonForm(), welcome) if welcome else redirect("organisation", house.pk)


@never_cache
@require_POST
@login_required
def welcome_again(request: HttpRequest, organisation_id: UUID, user_id: UUID) -> HttpResponse:
    """A new address for somebody who missed theirs."""
    user = signed_in(request)
    house = access_organisation(user, organisation_id)
    person = access_user(user, user_id)
    require_welcome(user, person)
    renew_welcome(user=person, by=user)
    welcome = _handed_over(request, person)
    return _page(request, house, PersonForm(), welcome) if welcome else redirect("organisation", house.pk)


def _handed_over(request: HttpRequest, person: User) -> str:
    """The address for a first password where a person is to hand it over; nothing where a letter does."""
    if not settings.EMAIL_CONFIGURED:
        return welcome_url(person)
    messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": person.email})
    return ""


@require_POST
@login_required
def remove_role(request: HttpRequest, organisation_id: UUID, role_id: UUID) -> HttpResponse:
    """Take a role back."""
    user = signed_in(request)
    house = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
    with told(request, _("The role is taken back.")):
        revoke_role(granted=access_organisation_role(house, role_id), by=user)
    if not may(user, Permission.ORGANISATION_VIEW, organisation=house):
        return redirect("home")
    return redirect("organisation", house.pk)


@require_POST
@login_required
def add_key(request: HttpRequest, organisation_id: UUID) -> HttpResponse:
    """Register the public half of a signatory key."""
    user = signed_in(request)
    house = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
    form = SignatoryKeyForm(request.POST)
    with told(request, _("The signatory key is registered. Compare its fingerprint.")):
        public_key = PublicKey.from_encoded(valid(form)["public_key"])
        add_signatory_key(organisation=house, public_key=public_key, by=user)
    return redirect("organisation", house.pk)


@require_POST
@login_required
def revoke_key(request: HttpRequest, organisation_id: UUID, signatory_key_id: UUID) -> HttpResponse:
    """The organisation no longer stands by its key."""
    user = signed_in(request)
    house = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
    with told(request, _("The signatory key is revoked.")):
        revoke_signatory_key(signatory_key=access_signatory_key(house, signatory_key_id), by=user)
    return redirect("organisation", house.pk)
