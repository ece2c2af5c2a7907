"""Pages: signing in, one's own account and tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.views import LoginView, PasswordResetFromKeyView, PasswordResetView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import access_own_role_offer, access_token, signed_in, signed_in_afresh
from accounts.forms import ChangePassword, ChoosePassword, LanguageForm, SignInForm, TokenForm
from accounts.language_actions import choose_language
from accounts.languages import activate_language_of
from accounts.role_offers import accept, decline
from accounts.second_factor.requirements import has_shown_second_factor
from accounts.selectors import memberships_of, second_factor_of, usable_tokens_of
from accounts.session_actions import end_all_sessions, end_session
from accounts.signed_in_sessions import sessions_of, touch
from accounts.tokens import issue_token, revoke_token
from rest.errors import Conflict
from rest.pages import flash_result, valid


class SignIn(LoginView):  # type: ignore[misc]
    """E-mail address and password, or the identity provider of one's organisation."""

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        """Say so with a status that says so."""
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 429 if form.has_error("__all__", code="sign_in.too_many") else 422
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the other ways in."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        providers = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
        return found | {"providers": providers, "sends_emails": settings.EMAIL_CONFIGURED}


class PasswordResetRequestView(PasswordResetView):  # type: ignore[misc]
    """An e-mail with an address at which a new password is chosen."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Without e-mails nobody can be helped here."""
        return {**super().get_context_data(**kwargs), "sends_emails": settings.EMAIL_CONFIGURED}


class NewPassword(PasswordResetFromKeyView):  # type: ignore[misc]
    """What the e-mail leads to."""

    success_url = reverse_lazy("sign-in")

    def form_valid(self, form: Form) -> HttpResponse:
        """Back to signing in; for a link that somebody was quicker to use, the page of one that works no longer."""
        try:
            response: HttpResponse = super().form_valid(form)
        except Conflict:
            used: HttpResponse = self.render_to_response(self.get_context_data(token_fail=True), status=409)
            return used
        messages.success(self.request, _("Your password is set. Sign in with it."))
        return response


class Welcome(auth.PasswordResetConfirmView):
    """The owner of a new account chooses a password."""

    form_class = ChoosePassword
    template_name = "accounts/welcome.html"
    success_url = reverse_lazy("sign-in")

    def get_form_kwargs(self) -> dict[str, Any]:
        """With the link's token, which Django keeps in the session so that it is in no address."""
        return {**super().get_form_kwargs(), "token": self.request.session.get(auth.INTERNAL_RESET_SESSION_TOKEN, "")}

    def form_valid(self, form: ChoosePassword) -> HttpResponse:  # type: ignore[override]
        """Back to signing in; for a link that somebody was quicker to use, the page of one that works no longer."""
        try:
            response = super().form_valid(form)
        except Conflict:
            self.validlink = False
            return self.render_to_response(self.get_context_data(), status=409)
        messages.success(self.request, _("Your password is set. Sign in with it."))
        return response


class Password(auth.PasswordChangeView):
    """A new password."""

    form_class = ChangePassword
    template_name = "accounts/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: ChangePassword) -> HttpResponse:  # type: ignore[override]
        """Back to the account."""
        messages.success(self.request, _("Your password is changed; you stay signed in here and nowhere else."))
        response = super().form_valid(form)
        touch(self.request, form.user)  # the session has a new key: without it "sign out everywhere" would miss it
        return response


@never_cache
@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Who one is here, and how one signs in."""
    user = signed_in(request)
    context = {
        "memberships": memberships_of(user),
        "sessions": sessions_of(user, request.session.session_key),
        "factor": second_factor_of(user),
        "tokens": usable_tokens_of(user),
        "language_form": LanguageForm(initial={"language": user.language, "time_zone": user.time_zone}),
    }
    return render(request, "accounts/account.html", context)


@require_POST
@login_required
def language(request: HttpRequest) -> HttpResponse:
    """Keep one's language and time zone; what is stated about it is stated in the new language."""
    user = signed_in(request)
    with flash_result(request, gettext_lazy("From now on the pages speak to you like this.")):
        choose_language(user=user, **valid(LanguageForm(request.POST)), by=user)
        activate_language_of(user)
    return redirect("account")


@require_POST
@login_required
def end_one_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign out of one browser."""
    user = signed_in(request)
    with flash_result(request, _("That browser is signed out.")):
        end_session(user=user, session_id=session_id, by=user)
    return redirect("account")


@never_cache
@login_required
def end_every_session(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere, after a second thought."""
    user = signed_in(request)
    if request.method == "POST":
        end_all_sessions(user=user, by=user)
        logout(request)
        messages.success(request, _("You are signed out everywhere."))
        return redirect("sign-in")
    context = {
        "question": _("Sign out everywhere?"),
        "consequence": _(
            "Every browser, this one included, asks for your password again. API tokens go on working; "
            "revoke those that you no longer trust."
        ),
        "yes": _("Sign out everywhere"),
        "back": reverse("account"),
    }
    return render(request, "_components/confirm.html", context)


@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """One's tokens; a new one's text is on the page that answers the form, and nowhere else."""
    user = signed_in(request) if request.method != "POST" else signed_in_afresh(request)
    form, secret = TokenForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        _token, secret = issue_token(
            user=user,
            name=chosen["name"],
            scopes=chosen["scopes"],
            lifetime=form.lifetime,
            factor_shown=has_shown_second_factor(request.session, user),
            by=user,
        )
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": user.api_tokens.all(), "now": timezone.now()}
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Revoke a token."""
    user = signed_in(request)
    token = access_token(user, token_id)
    with flash_result(request, _("The token “%(name)s” is revoked.") % {"name": token.name}):
        revoke_token(token=token, by=user)
    return redirect("tokens")


@require_POST
@login_required
def answer_role_offer(request: HttpRequest, offer_id: UUID, answer: str) -> HttpResponse:
    """Accept a role in an organisation that is not one's home, or decline it."""
    user = signed_in_afresh(request)
    offer = access_own_role_offer(user, offer_id)
    names = {"role": offer.get_role_display(), "place": offer.organisation.name}
    if answer == "accept":
        with flash_result(request, _("You have a role at %(place)s now: %(role)s.") % names):
            accept(offer=offer, by=user)
    else:
        with flash_result(request, _("You have declined the role at %(place)s.") % names):
            decline(offer=offer, by=user)
    return redirect("home")
