"""Every error becomes one problem detail (RFC 9457): a status, a stable code, a sentence, and the fields at fault."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import DataError, IntegrityError
from django.http import Http404, JsonResponse
from django.utils.encoding import force_str
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from federation.errors import FederationError, Transient
from rest.constraints import conflict_of
from rest.errors import BadRequest, Forbidden, NotFound, Problem, TooLarge, Unavailable, Unprocessable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
logger = logging.getLogger(__name__)

_CODES: Mapping[type[exceptions.APIException], str] = {
    exceptions.ParseError: "request.malformed",
    exceptions.NotAuthenticated: "authentication.required",
    exceptions.AuthenticationFailed: "authentication.failed",
    exceptions.PermissionDenied: "permission.denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method.not_allowed",
    exceptions.NotAcceptable: "media_type.not_acceptable",
    exceptions.UnsupportedMediaType: "media_type.unsupported",
    exceptions.Throttled: "throttled",
}


def document(status: int, code: str, detail: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """The body of a problem detail."""
    body: dict[str, Any] = {
        "type": f"urn:consilience:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if fields:
        body["fields"] = dict(fields)
    return body


def handle(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's exception handler. None for what nobody foresaw: that is a 500, with a trace in the log."""
    found = _as_problem(exc)
    if found is None:
        return None
    status, code, detail, fields, headers = found
    set_rollback()
    return Response(document(status, code, detail, fields), status=status, headers=headers, content_type=MEDIA_TYPE)


def plain_response(problem: Problem) -> JsonResponse:
    """The same answer outside of REST framework."""
    body = document(problem.status, problem.code, problem.message, problem.fields)
    return JsonResponse(body, status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE)


Found = tuple[int, str, str, dict[str, list[str]], dict[str, str]]


def _as_problem(exc: Exception) -> Found | None:
    if isinstance(exc, exceptions.ValidationError):
        return 422, "input.invalid", "Some of what was sent is wrong.", flat(exc.detail), {}
    if isinstance(exc, exceptions.APIException):
        return _of_framework(exc)
    problem = problem_of(exc)
    if problem is None:
        return None
    return problem.status, problem.code, problem.message, problem.fields, problem.headers


def _of_framework(exc: exceptions.APIException) -> Found:
    headers: dict[str, str] = {}
    if (challenge := getattr(exc, "auth_header", None)) is not None:
        headers["WWW-Authenticate"] = challenge
    if (wait_s := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait_s))
    code = _CODES.get(type(exc), exc.default_code)
    return exc.status_code, code, force_str(exc.detail), {}, headers


def problem_of(exc: Exception) -> Problem | None:
    """What our own code, Django or PostgreSQL raised, as a Problem."""
    match exc:
        case Problem():
            return exc
        case Transient():
            return Unavailable(
                exc.code, exc.message, exc.field, fields=exc.fields, headers={"Retry-After": str(RETRY_AFTER_S)}
            )
        case FederationError():
            return Unprocessable(exc.code, exc.message, exc.field, fields=exc.fields)
        case Http404():
            return NotFound("not_found", "There is nothing at this address.")
        case PermissionDenied():
            return Forbidden("permission.denied", "This is not allowed.")
        case ValidationError():
            return Unprocessable("input.invalid", "Some of what was sent is wrong.", fields=_of_django(exc))
        case RequestDataTooBig():
            return TooLarge("request.too_large", "The body is larger than we take.")
        case SuspiciousOperation():
            return BadRequest("request.malformed", "This request can't be read.")
        case IntegrityError():
            return conflict_of(exc)
        case DataError():
            logger.warning("A value reached the database that it can't hold: %s", exc)
            return Unprocessable("input.out_of_range", "A value is out of range.")
    return None


def _of_django(exc: ValidationError) -> dict[str, list[str]]:
    if hasattr(exc, "error_dict"):
        return {_renamed(name): [force_str(text) for text in texts] for name, texts in exc.message_dict.items()}
    return {"body": [force_str(text) for text in exc.messages]}


def flat(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Nested errors of a serializer by dotted path: `{"model.hidden.0": ["…"]}`."""
    if isinstance(detail, Mapping):
        pairs = [(_renamed(str(name)), inner) for name, inner in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        pairs = [(str(index), inner) for index, inner in enumerate(detail) if inner]
    else:
        return {prefix or "body": [force_str(text) for text in (detail if isinstance(detail, list) else [detail])]}
    fields: dict[str, list[str]] = {}
    for name, inner in pairs:
        path = prefix if name == "body" and prefix else ".".join(part for part in (prefix, name) if part)
        for path_of_one, texts in flat(inner, path).items():
            fields.setdefault(path_of_one, []).extend(texts)
    return fields


def _renamed(name: str) -> str:
    """What belongs to no one field belongs to the body."""
    return "body" if name in {"non_field_errors", "__all__"} else name
