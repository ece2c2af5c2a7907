"""How allauth does things here: accounts are made by administrators, tries are counted and recorded."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.proving import prove_by_identity
from accounts.second_factor.encryption import encrypt, unseal
from accounts.second_factor.requirements import needs_second_factor
from accounts.sign_in import check_credentials
from audit.actions import record
from rest.addresses import address_of, ip_of
from rest.errors import Unauthenticated

NO_ACCOUNT = _(
    "Nobody here has an account with a confirmed e-mail address of that sign-in. An administrator of your organisation "
    "makes one."
)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Signing in."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody makes their own account."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Pages are pages; programs have the REST API."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """As everywhere else: a header that anybody may send is nothing."""
        return ip_of(request)

    def login(self, request: HttpRequest, user: User) -> None:
        """The last step, whichever way they came."""
        with transaction.atomic():
            super().login(request, user)
            record(by=user, verb="user.signed_in", subject=user)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether this is their password. Raises TooMany, as signing in does."""
        try:
            return check_credentials(email=user.email, password=password, address=address_of(context.request)) == user
        except Unauthenticated:
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: object) -> bool:
        """Not for who signed in, or showed who they are, a few minutes ago."""
        request = context.request
        shown = get_authentication_records(request, request.user)
        return not any(time.time() - step["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for step in shown)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """The second factor."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": _(
            "A role of yours asks for a second factor: it can't be removed, only replaced."
        ),
    }

    def get_totp_issuer(self) -> str:
        """What the app shows beside the address."""
        return "Consilience"

    def encrypt(self, text: str) -> str:
        """As it is stored."""
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """As it was."""
        return unseal(encrypted_text)

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Not while a role asks for it."""
        return not needs_second_factor(User.objects.get(pk=authenticator.user_id))


class IdentityAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Signing in by the identity provider of one's organisation: for who has an account here, and for nobody else."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Nobody makes their own account."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the account by the address that the provider has confirmed, and tie the identity to it."""
        if sociallogin.state.get("process") != "login":
            self._refuse(request)
        if sociallogin.is_existing:
            if not sociallogin.user.is_active:
                self._refuse(request)
            return
        user = _with_confirmed_address(sociallogin)
        if user is None:
            self._refuse(request)
            return
        with transaction.atomic():
            user = prove_by_identity(user=user, provider=sociallogin.account.provider)
            sociallogin.connect(request, user)
            record(
                by=user,
                verb="user.identity_tied",
                subject=user,
                detail={"provider": sociallogin.account.provider, "person": user.full_name},
            )

    def on_authentication_error(self, request: HttpRequest, provider: Any, **kwargs: Any) -> None:
        """Back to the page of sign-in, with the reason as far as it is anybody's business."""
        messages.error(
            request,
            _("Signing in with %(name)s did not work. Try again, or use your password.") % {"name": provider.name},
        )
        raise ImmediateHttpResponse(redirect("sign-in"))

    @staticmethod
    def _refuse(request: HttpRequest) -> None:
        messages.error(request, NO_ACCOUNT)
        raise ImmediateHttpResponse(redirect("sign-in"))


def _with_confirmed_address(sociallogin: SocialLogin) -> User | None:
    """The person who has the address here, unless another identity of the same provider is theirs already."""
    confirmed = (address.email for address in sociallogin.email_addresses if address.verified is True)
    known = (User.objects.with_address(email) for email in confirmed)
    user = next((one for one in known if one is not None and one.is_active), None)
    if user is None or SocialAccount.objects.filter(user=user, provider=sociallogin.account.provider).exists():
        return None
    return user
