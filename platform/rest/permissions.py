"""Who may knock at a REST door at all; what they may do behind it is checked per organisation and consortium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from rest.errors import Forbidden

if TYPE_CHECKING:  # REST framework reads its settings, which name this module, before its views are there
    from rest_framework.views import APIView

SESSION_ONLY = ""


class WithScopes(Protocol):
    """What a view declares: the scope that a token needs, for each method; `SESSION_ONLY` where no token will do."""

    scopes: ClassVar[Mapping[str, str]]


class SignedInWithScope(BasePermission):
    """Somebody who signed in by the browser, or a token that has the scope which the view names for the method.

    A view that names none is closed to tokens.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise Forbidden `scope.*` for a token that may not; False for a stranger, which becomes a 401."""
        if not request.user.is_authenticated:
            return False
        if request.auth is None:
            return True
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not hasattr(view, method.lower()):
            return True  # it will be refused as a method
        needed = getattr(view, "scopes", {}).get(method, SESSION_ONLY)
        if needed == SESSION_ONLY:
            raise Forbidden("scope.session_only", "This is done by somebody who signed in, not by a token.")
        if needed not in getattr(request.auth, "scopes", ()):
            raise Forbidden("scope.missing", f"The token lacks the scope {needed}. Make one that has it.")
        return True
