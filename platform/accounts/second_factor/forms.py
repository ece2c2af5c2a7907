"""The forms that take a code."""

from __future__ import annotations

import time

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django import forms
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.second_factor.codes import step_of, use_code
from accounts.second_factor.requirements import record_second_factor
from rest.addresses import address_of
from rest.errors import Problem
from rest.pages import in_words

_WIDGET = {"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True, "spellcheck": "false"}


def _code_field(help_text: str) -> forms.CharField:
    return forms.CharField(label=_("Code"), max_length=20, help_text=help_text, widget=forms.TextInput(attrs=_WIDGET))


class TakesCode(forms.Form):
    """A code of the app, or a recovery code; the session has then shown the second factor."""

    user: User

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["code"] = _code_field(_("Six digits from your authenticator app, or one of your recovery codes"))

    def clean_code(self) -> str:
        """Check it, slowly for anyone who guesses."""
        code = str(self.cleaned_data["code"])
        try:
            self.authenticator = use_code(user=self.user, code=code, address=address_of(context.request))
        except Problem as problem:
            raise forms.ValidationError(in_words(problem.message), code=problem.code) from problem
        record_second_factor(context.request.session, self.user)
        return code


class SignInCode(TakesCode, AuthenticateForm):  # type: ignore[misc]
    """The second step of signing in."""


class ConfirmCode(TakesCode, ReauthenticateForm):  # type: ignore[misc]
    """Showing again who one is."""


class SetUpForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of a new app shows that it was read in well.

    The session keeps the secret until a code of it has come: a page that is loaded again, or opened a second time,
    shows the secret that an app may have read in already. Setting up clears it, and so does signing out.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        shown = context.request.session.get(SECRET_SESSION_KEY)
        super().__init__(*args, **kwargs)
        if shown:  # allauth has made another for a form without data
            self.secret = context.request.session[SECRET_SESSION_KEY] = shown
        self.fields["code"] = _code_field(_("The six digits that the app shows now"))

    def clean_code(self) -> str:
        """Check it. It is about a secret that the person who types it has before them, so guessing is no matter."""
        code = "".join(str(self.cleaned_data["code"]).split())
        if step_of(self.secret, code, time.time()) is None:
            raise forms.ValidationError(
                _("The app shows another code for this secret. Is its clock right?"), code="second_factor.wrong"
            )
        return code
