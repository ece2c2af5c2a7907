"""Pages: signing in, one's own account and tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import access_token, signed_in
from accounts.forms import ChangePassword, ChoosePassword, SignInForm, TokenForm
from accounts.selectors import memberships_of
from accounts.tokens import issue_token, revoke_token
from rest.pages import told


class SignIn(auth.LoginView):
    """E-mail address and password."""

    form_class = SignInForm
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def form_invalid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]
        """Say so with a status that says so."""
        too_many = form.has_error("__all__", code="sign_in.too_many")
        response = super().form_invalid(form)
        response.status_code = 429 if too_many else 422
        return response


class Welcome(auth.PasswordResetConfirmView):
    """The owner of a new account chooses a password."""

    form_class = ChoosePassword
    template_name = "accounts/welcome.html"
    success_url = reverse_lazy("sign-in")

    def form_valid(self, form: ChoosePassword) -> HttpResponse:  # type: ignore[override]
        """Back to signing in."""
        messages.success(self.request, "Your password is set. Sign in with it.")
        return super().form_valid(form)


class Password(auth.PasswordChangeView):
    """A new password."""

    form_class = ChangePassword
    template_name = "accounts/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: ChangePassword) -> HttpResponse:  # type: ignore[override]
        """Back to the account."""
        messages.success(self.request, "Your password is changed; you stay signed in here and nowhere else.")
        return super().form_valid(form)


@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Who one is here."""
    return render(request, "accounts/account.html", {"memberships": memberships_of(signed_in(request))})


@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """One's tokens; a new one's text is on the page that answers the form, and nowhere else."""
    user = signed_in(request)
    form, secret = TokenForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        _, secret = issue_token(
            user=user, name=chosen["name"], scopes=chosen["scopes"], lifetime=form.lifetime, by=user
        )
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": user.api_tokens.all()}
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Revoke a token."""
    user = signed_in(request)
    token = access_token(user, token_id)
    with told(request, f"The token “{token.name}” is revoked."):
        revoke_token(token=token, by=user)
    return redirect("tokens")
