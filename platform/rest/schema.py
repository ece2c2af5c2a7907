"""How the OpenAPI document is made from the views: what every endpoint has in common is stated here once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from rest.permissions import SESSION_ONLY
from rest.problems import MEDIA_TYPE
from rest.serializers import Input

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem detail (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for machines."},
        "detail": {"type": "string", "description": "For people."},
        "fields": {
            "type": "object",
            "description": "What is wrong with which member, by dotted path.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
_ALWAYS = {"400": "Unreadable", "401": "Nobody signed in", "403": "Not allowed", "429": "Too often"}
_MEANINGS = {
    "404": "No such thing, or none of yours",
    "406": "Not in this media type",
    "409": "Not in this state",
    "410": "Not there any more",
    "412": "Changed since it was read (`If-Match`)",
    "413": "Too large",
    "415": "Not this media type",
    "422": "Readable, and wrong",
    "503": "Not now",
}
_CONDITIONAL = (
    OpenApiParameter(
        "ETag",
        str,
        OpenApiParameter.HEADER,
        response=["200", "201"],
        description="Which wording this is: another one after every change. For `If-Match`.",
    ),
    OpenApiParameter(
        "If-Match",
        str,
        OpenApiParameter.HEADER,
        description="The `ETag` that you read: the change is made only if nobody else has made one since (else 412, "
        "`precondition.failed`). Without it, or with `*`, whatever is there is changed.",
    ),
)


class AutoSchema(SpectacularAutoSchema):
    """Operations with their scope, their problems, and `Idempotency-Key` where it is honoured."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation, with what every one has in common."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        self.registry.register_on_missing(_problem_component(self.registry))
        for status, meaning in (_ALWAYS | {status: _MEANINGS[status] for status in self._problems()}).items():
            operation["responses"].setdefault(status, _problem_response(meaning))
        operation["responses"] = dict(sorted(operation["responses"].items()))
        scope = getattr(self.view, "scopes", {}).get(self.method, SESSION_ONLY)
        operation["x-scope"] = str(scope) if scope != SESSION_ONLY else None
        return operation

    def _problems(self) -> set[str]:
        found = {"406", *getattr(self.view, "more_problems", ())}
        if "{" in self.path:
            found.add("404")
        if self.method == "GET":
            found |= {"404", "422"} if self._is_list_view() else set()
        else:
            found |= {"404", "409", "413", "415", "422", "503"}
            found |= {"412"} if self._is_conditional() else set()
        return found

    def _is_conditional(self) -> bool:
        return getattr(getattr(self.view, str(self.method).lower(), None), "is_conditional", False)

    def get_override_parameters(self) -> list[Any]:
        """Those of the view, and the header where it is honoured."""
        parameters: list[Any] = list(super().get_override_parameters())
        handler = getattr(self.view, str(self.method).lower(), None)
        if getattr(handler, "honours_idempotency_key", False):
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "pattern": "^[\\x21-\\x7e]+$", "minLength": 1, "maxLength": 255},
                    OpenApiParameter.HEADER,
                    description="Sent again within 24 hours, the request is not done again: its first answer is given "
                    "again, with `Idempotency-Replayed: true`.",
                )
            )
        if self._is_conditional():
            parameters += _CONDITIONAL if self.method != "GET" else _CONDITIONAL[:1]
        return parameters

    def _map_serializer(self, serializer: Any, direction: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        mapped: dict[str, Any] = super()._map_serializer(serializer, direction, *args, **kwargs)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Input) and mapped.get("type") == "object":
            mapped["additionalProperties"] = False
        return mapped


def _problem_component(registry: Any) -> Any:
    return ResolvedComponent(  # type: ignore[no-untyped-call]
        name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM, object="Problem"
    )


def _problem_response(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document names tokens."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A bearer token."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "cns_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document names the browser's session."""

    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A cookie; what changes something needs `X-CSRFToken` too."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
