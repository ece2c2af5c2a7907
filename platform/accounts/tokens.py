"""What is done to API tokens: issued, shown once, found again, revoked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken, Scope, User
from accounts.second_factor.requirements import needs_second_factor
from audit.actions import record
from audit.actors import Actor
from rest.errors import Conflict, Forbidden, Unauthenticated

LIFETIME_MAX = timedelta(days=366)
TOUCH_EVERY = timedelta(minutes=1)


@transaction.atomic
def issue_token(
    *, user: User, name: str, scopes: Iterable[str], lifetime: timedelta, factor_shown: bool = False, by: Actor
) -> tuple[ApiToken, str]:
    """Make a token for a person. The text that comes with it is not kept: it is shown once.

    `factor_shown` says whether the session that asks for it has shown the second factor: only such a token acts for
    somebody of whom a role asks one, also if they come by that role later.
    """
    if not timedelta(0) < lifetime <= LIFETIME_MAX:
        raise ValueError(f"A token lives longer than nothing and at most {LIFETIME_MAX.days} days.")
    secret = ApiToken.new_secret()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=ApiToken.digest_of(secret),
        scopes=sorted({Scope(scope).value for scope in scopes}),
        factor_shown=factor_shown,
        expires_at=timezone.now() + lifetime,
    )
    record(by=by, verb="api_token.issued", subject=token, detail={"name": name, "scopes": token.scopes})
    return token, secret


@transaction.atomic
def revoke_token(*, token: ApiToken, by: Actor) -> ApiToken:
    """It stops working. Raises Conflict `api_token.revoked_already`."""
    locked = ApiToken.objects.select_for_update().get(pk=token.pk)
    if locked.revoked_at is not None:
        raise Conflict("api_token.revoked_already", "This token has been revoked already.")
    locked.revoked_at = timezone.now()
    locked.save(update_fields=["revoked_at"])
    record(by=by, verb="api_token.revoked", subject=locked, detail={"name": locked.name})
    return locked


def authenticate_token(secret: str) -> ApiToken:
    """The token with this text, with its user. Raises Unauthenticated `token.*`, Forbidden
    `token.without_second_factor`.
    """
    token = ApiToken.objects.select_related("user").filter(digest=ApiToken.digest_of(secret)).first()
    if token is None or not token.user.is_active:
        raise Unauthenticated("token.unknown", "No token reads like this.")
    now = timezone.now()
    if token.revoked_at is not None:
        raise Unauthenticated("token.revoked", "This token has been revoked.")
    if not token.is_usable(now):
        raise Unauthenticated("token.expired", "This token has expired; make a new one.")
    if not token.factor_shown and needs_second_factor(token.user):
        raise Forbidden(
            "token.without_second_factor",
            "A role of yours asks for a second factor, and this token was made without. Make a new one.",
        )
    ApiToken.touch(token.pk, stale_before=now - TOUCH_EVERY)
    return token
