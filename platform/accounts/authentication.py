"""How the REST API knows who asks: a bearer token, or the browser's session."""

from __future__ import annotations

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.models.token import PREFIX
from accounts.second_factor.requirements import check_session
from accounts.tokens import authenticate_token
from rest.bearer import presents_bearer
from rest.errors import Forbidden, Unauthenticated

CHALLENGE = 'Bearer realm="consilience"'
_TOKEN_LENGTH_MAX = 100


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer cns_…`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's person and the token; None where no bearer token came. Raises Unauthenticated `token.*`."""
        authorization = request.headers.get("Authorization", "")
        if not presents_bearer(authorization):
            return None
        secret = authorization.strip().partition(" ")[2].strip()
        headers = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
        if not secret.startswith(PREFIX) or len(secret) > _TOKEN_LENGTH_MAX or not secret.isascii():
            raise Unauthenticated("token.unknown", "No token reads like this.", headers=headers)
        try:
            token = authenticate_token(secret)
        except Unauthenticated as problem:
            raise Unauthenticated(problem.code, problem.message, headers=headers) from None
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """How a stranger is asked to present a token."""
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """Anyone who signed in with the browser, with the second factor that a role of theirs asks for.

    A page of another site can't act for them.
    """

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The session's person; None for a stranger. Raises Forbidden `csrf.failed` or `second_factor.required`."""
        found: tuple[User, None] | None = super().authenticate(request)
        if found is not None:
            check_session(request._request.session, found[0])
        return found

    def enforce_csrf(self, request: Request) -> None:
        """Raise Forbidden `csrf.failed`."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Forbidden("csrf.failed", f"{error.detail}") from error
