"""Pages: what one is notified of, and how."""

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

from accounts.access import signed_in
from accounts.models import User
from monitoring import actions
from monitoring.models import Delivery, Kind, Webhook
from monitoring.recipients import RULES
from monitoring.webhooks import secret_of
from monitoring.wording import subject_of
from rest.errors import NotFound, Problem
from rest.pages import flash_result

DELIVERIES_SHOWN = 20


@require_safe
@never_cache
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """Kinds of notices with one's choices, one's webhooks, and what was sent last."""
    return _page(request, signed_in(request))


@require_POST
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """Keep one's choices."""
    user = signed_in(request)
    with flash_result(request, _("Your choices are saved.")):
        actions.choose(wanted=request.POST.getlist("email"), by=user)
    return redirect("notifications")


@require_POST
@never_cache
@login_required
def add_webhook(request: HttpRequest) -> HttpResponse:
    """Add an address; its secret is shown on the page that follows."""
    user = signed_in(request)
    url, kinds = request.POST.get("url", "").strip(), request.POST.getlist("kinds")
    try:
        webhook = actions.add_webhook(url=url, kinds=kinds, by=user)
    except Problem as problem:
        return _page(request, user, url=url, kinds=kinds, problem=problem, status=problem.status)
    return _page(request, user, added=webhook)


@require_POST
@login_required
def try_webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Send a message to an address now."""
    user = signed_in(request)
    webhook = _own(user, webhook_id)
    with flash_result(request, _("%(url)s has answered.") % {"url": webhook.url}):
        actions.try_webhook(webhook=webhook, by=user)
    return redirect("notifications")


@require_POST
@login_required
def remove_webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Forget an address."""
    user = signed_in(request)
    actions.remove_webhook(webhook=_own(user, webhook_id), by=user)
    messages.success(request, _("The webhook is gone."))
    return redirect("notifications")


def _own(user: User, webhook_id: UUID) -> Webhook:
    found = Webhook.objects.filter(id=webhook_id, user=user).first()
    if found is None:
        raise NotFound.of("webhook")
    return found


def _page(
    request: HttpRequest,
    user: User,
    *,
    added: Webhook | None = None,
    url: str = "",
    kinds: list[str] | None = None,
    problem: Problem | None = None,
    status: int = 200,
) -> HttpResponse:
    chosen = {choice.kind: choice.email for choice in user.notification_choices.all()}
    roles = frozenset(user.organisation_roles.values_list("role", flat=True)) | frozenset(
        user.consortium_roles.values_list("role", flat=True)
    )
    context = {
        "kinds": [
            {
                "kind": kind,
                "why": RULES[kind].why,
                "email": chosen.get(kind, bool(RULES[kind].by_default & (roles | {"launcher"}))),
                "picked": kinds is None or kind in kinds,
            }
            for kind in Kind
        ],
        "sends_emails": settings.EMAIL_CONFIGURED,
        "webhooks": user.webhooks.all(),
        "deliveries": [
            {"sent": sent, "subject": subject_of(sent.notice)}
            for sent in Delivery.objects.filter(user=user).select_related("notice", "webhook")[:DELIVERIES_SHOWN]
        ],
        "added": added,
        "secret": secret_of(added) if added else "",
        "url": url,
        "problem": problem,
    }
    return render(request, "monitoring/notifications.html", context, status=status)
