"""Pages of the second factor: allauth's, with what is recorded of them."""

from __future__ import annotations

import re
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache

from accounts.access import signed_in
from accounts.second_factor.actions import note_codes_renewed, note_removed, note_set_up
from accounts.second_factor.requirements import needs_second_factor, record_second_factor


class Code(AuthenticateView):  # type: ignore[misc]
    """The second step of signing in."""

    def form_invalid(self, form: Form) -> HttpResponse:
        """Say so with a status that says so."""
        answer: HttpResponse = super().form_invalid(form)
        answer.status_code = 429 if form.has_error("code", code="sign_in.too_many") else 422
        return answer


@method_decorator([never_cache, login_required], name="dispatch")
class SetUp(ActivateTOTPView):  # type: ignore[misc]
    """An app reads a secret in, and shows by a code that it has it."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Keep it, and lead to the recovery codes."""
        user = signed_in(self.request)
        with transaction.atomic():
            answer: HttpResponse = super().form_valid(form)
            note_set_up(user=user, by=user)
        record_second_factor(self.request.session, user)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The secret as a picture and as text in groups of four."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        svg = re.sub(r"<\?xml.*?\?>", "", get_adapter().build_totp_svg(found["totp_url"]))
        found["picture"] = mark_safe(svg)  # noqa: S308 - made by the library from an address of our own making
        found["secret_in_groups"] = " ".join(re.findall(".{1,4}", found["form"].secret))
        found["is_required"] = needs_second_factor(signed_in(self.request))
        return found


class Remove(DeactivateTOTPView):  # type: ignore[misc]
    """Go without a second factor again, for who may."""

    success_url = reverse_lazy("account")

    def form_valid(self, form: Form) -> HttpResponse:
        """Remove it with its recovery codes."""
        user = signed_in(self.request)
        with transaction.atomic():
            answer: HttpResponse = super().form_valid(form)
            note_removed(user=user, by=user)
        return answer


@method_decorator(never_cache, name="dispatch")
class RecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    """One's recovery codes, once; later how many are left."""


class NewRecoveryCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    """New recovery codes; the old ones end."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Make them."""
        user = signed_in(self.request)
        with transaction.atomic():
            answer: HttpResponse = super().form_valid(form)
            note_codes_renewed(user=user, by=user)
        return answer
