"""The forms of accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from allauth.account.forms import LoginForm, ResetPasswordForm, ResetPasswordKeyForm
from allauth.account.models import Login
from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import dispatch
from accounts.actions import set_password
from accounts.languages import time_zones
from accounts.models import Scope, User
from accounts.models.organisation import OrganisationKind, country_is_a_code, slug_is_plain
from accounts.models.user import normalise_email
from accounts.permissions import ORGANISATION_ROLES
from accounts.proving import choose_password_by_link
from accounts.sign_in import check_credentials, clear_attempts, record_attempt
from federation.errors import FederationError
from federation.protocol.keys import PublicKey
from rest.addresses import address_of
from rest.errors import Problem
from rest.names import NameFormField
from rest.pages import in_words

LETTERS_MAX = 5
ROLE_CHOICES = [(role.value, role.label) for role in ORGANISATION_ROLES]


class SignInForm(LoginForm):  # type: ignore[misc]
    """E-mail address and password."""

    fields: dict[str, forms.Field]
    cleaned_data: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["login"]
        email = forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
        password = forms.PasswordInput(attrs={"autocomplete": "current-password"})
        self.fields = {
            "username": forms.CharField(label=_("E-mail address"), max_length=254, widget=email),
            "password": forms.CharField(label=_("Password"), strip=False, widget=password),
        }

    def user_credentials(self) -> dict[str, str]:
        """What was typed, by allauth's names."""
        return {"email": self.cleaned_data["username"], "password": self.cleaned_data["password"]}

    def clean(self) -> dict[str, Any]:
        """Check them; what is wrong with them is never disclosed."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            address = address_of(self.request) if self.request else ""
            try:
                self.user = check_credentials(email=email, password=password, address=address)
            except Problem as problem:
                raise forms.ValidationError(in_words(problem.message), code=problem.code) from problem
            self._login = Login(user=self.user, email=self.user.email)
        return self.cleaned_data


class PasswordResetRequestForm(ResetPasswordForm):  # type: ignore[misc]
    """Somebody asks for a way back in; whether they have an account is never said."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
        self.fields["email"] = forms.EmailField(label=_("E-mail address"), max_length=254, widget=widget)

    def clean_email(self) -> str:
        """As it was typed: whether there is an account is not said here."""
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Have the letter sent. Raises TooMany: nobody's letter-box is to be filled."""
        email = str(self.cleaned_data["email"])
        record_attempt(f"password of {normalise_email(email)}", address_of(request), from_anywhere_max=LETTERS_MAX)
        found = User.objects.with_address(email)
        # the same work for who has no account: how long this takes reveals nothing
        dispatch.send_password_reset(found.pk if found and found.is_active else uuid4())
        return email


class ChoosePassword(SetPasswordForm):  # type: ignore[type-arg]
    """A first password, by the link that a welcome brings."""

    def __init__(self, *args: Any, token: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.token = token

    def save(self, commit: bool = True) -> User:
        """Use the link up. Raises Conflict `link.used`."""
        password = str(self.cleaned_data["new_password1"])
        return choose_password_by_link(user_id=self.user.pk, token=self.token, password=password)


class NewPasswordForm(ResetPasswordKeyForm):  # type: ignore[misc]
    """A new password, by the link of a way back in."""

    def save(self) -> None:
        """Use the link up. Raises Conflict `link.used`."""
        password = str(self.cleaned_data["password1"])
        choose_password_by_link(user_id=self.user.pk, token=self.temp_key, password=password)


class ChangePassword(PasswordChangeForm):
    """A new password, for anyone who knows the old one."""

    def clean_old_password(self) -> str:
        """Check it, slowly for anyone who guesses in a browser that was left open. Raises TooMany."""
        what, place = f"old password of {self.user.pk}", str(self.user.pk)
        record_attempt(what, place)
        old = super().clean_old_password()
        clear_attempts(what, place)
        return old

    def save(self, commit: bool = True) -> User:
        """Through the action, so that it is recorded."""
        return set_password(user=self.user, password=self.cleaned_data["new_password1"], by=self.user)


class TokenForm(forms.Form):
    """A token to make for oneself."""

    name = NameFormField(label=_("Name"), max_length=100, help_text=_("What it is for, such as: notebook on my laptop"))
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=[(scope.value, scope.value) for scope in Scope], widget=forms.CheckboxSelectMultiple
    )
    lifetime_days = forms.TypedChoiceField(
        label=_("Valid for"),
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))],
        initial=90,
        coerce=int,
    )

    @property
    def lifetime(self) -> timedelta:
        """How long it will live."""
        return timedelta(days=self.cleaned_data["lifetime_days"])


def _time_zones() -> list[tuple[str, str]]:
    return [("", settings.TIME_ZONE), *((name, name) for name in time_zones())]


class LanguageForm(forms.Form):
    """How one is spoken to."""

    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=[("", _("as the browser asks")), *settings.LANGUAGES]
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=_time_zones)


class PersonForm(forms.Form):
    """Somebody to take into an organisation."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    full_name = NameFormField(
        label=_("Full name"), max_length=200, required=False, help_text=_("Needed for somebody who has no account yet")
    )
    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)


class OrganisationFactsForm(forms.Form):
    """What is known of an organisation."""

    name = NameFormField(label=_("Name"), max_length=200)
    country = forms.CharField(
        label=_("Country"), max_length=2, validators=[country_is_a_code], help_text=_("Two letters, such as CH")
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=OrganisationKind.choices)


class OrganisationEditForm(OrganisationFactsForm):
    """What is to be corrected; `seen` names the facts that the person who edits has before them."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


class OrganisationForm(OrganisationFactsForm):
    """An organisation to take onto the platform."""

    slug = forms.CharField(
        label=_("Short name"),
        max_length=60,
        validators=[slug_is_plain],
        help_text=_("Its short name in addresses; it stays"),
    )
    field_order = ("name", "slug", "country", "kind")


class SignatoryKeyForm(forms.Form):
    """The public half of a signatory key."""

    public_key = forms.CharField(
        label=_("Public key"), max_length=100, help_text=_("As silo-connector key make prints it (base64)")
    )

    def clean_public_key(self) -> PublicKey:
        """As a key."""
        try:
            return PublicKey.from_encoded(self.cleaned_data["public_key"])
        except FederationError as error:
            message = _("This is no public key. Paste the whole line that “silo-connector key make” has printed.")
            raise forms.ValidationError(message, code=error.code) from error
