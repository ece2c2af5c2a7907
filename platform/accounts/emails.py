"""E-mails to people: plain text with a simple HTML twin. Sent by workers, never while a page is waited for."""

from __future__ import annotations

from uuid import UUID

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.languages import speaking_to
from accounts.models import User
from accounts.welcome import welcome_url


def send_welcome(user_id: UUID) -> bool:
    """To somebody with a new account: where they choose their password. False if it is no longer needed."""
    user = User.objects.select_related("home").filter(pk=user_id, is_active=True).first()
    if user is None or user.has_usable_password():
        return False
    with speaking_to(user):
        _send(user, "welcome", _("Your account on Consilience"), welcome_url(user))
    return True


def send_password_reset(user_id: UUID) -> bool:
    """To somebody who asked for a new password. False if there is nobody of this id."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return False
    key = default_token_generator.make_token(user)
    parts = {"uidb36": user_pk_to_url_str(user), "key": key}
    path = reverse("account_reset_password_from_key", kwargs=parts)
    with speaking_to(user):
        _send(user, "password_reset", _("A new password for Consilience"), settings.PUBLIC_URL + path)
    return True


def _send(user: User, template: str, subject: str, url: str) -> None:
    context = {"person": user, "url": url, "platform": settings.PUBLIC_URL, "subject": subject}
    message = EmailMultiAlternatives(subject, render_to_string(f"emails/{template}.txt", context), to=[user.email])
    message.attach_alternative(render_to_string(f"emails/{template}.html", context), "text/html")
    message.send()
