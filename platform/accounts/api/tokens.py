"""REST: one's own tokens. Made and revoked by the one who signed in, never by a token."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import access_token, signed_in, signed_in_afresh
from accounts.models import ApiToken, Scope
from accounts.second_factor.requirements import has_shown_second_factor
from accounts.serializers import NewToken, TokenCreated, TokenOut
from accounts.tokens import issue_token, revoke_token
from rest.idempotency import SHOWN_ONCE, idempotent
from rest.permissions import SESSION_ONLY
from rest.serializers import validated


class Tokens(ListAPIView[ApiToken]):
    """Your own tokens, also those that expired or were revoked."""

    scopes = {"GET": Scope.ACCOUNT_READ, "POST": SESSION_ONLY}
    queryset = ApiToken.objects.none()
    serializer_class = TokenOut

    def get_queryset(self) -> QuerySet[ApiToken]:
        """The asker's."""
        return signed_in(self.request).api_tokens.all()

    @extend_schema(request=NewToken, responses={201: TokenCreated})
    @idempotent(hide=("token",))
    def post(self, request: Request) -> Response:
        """Make a token. Its text is in this answer and nowhere else. Takes a fresh second factor of who has one."""
        user = signed_in_afresh(request)
        wanted = validated(NewToken, request)
        token, secret = issue_token(
            user=user,
            name=wanted["name"],
            scopes=wanted["scopes"],
            lifetime=timedelta(days=wanted["expires_in_days"]),
            factor_shown=has_shown_second_factor(request.session, user),
            by=user,
        )
        return Response({**TokenOut(token).data, "token": secret}, status=201, headers=SHOWN_ONCE)


class OneToken(APIView):
    """A token of yours."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke it. It stays listed."""
        user = signed_in(request)
        revoke_token(token=access_token(user, token_id), by=user)
        return Response(status=204)
