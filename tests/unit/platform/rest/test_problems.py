"""Every kind of error as a problem detail."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import DataError, IntegrityError
from django.http import Http404
from rest_framework import exceptions

from federation.errors import FederationError, Invalid, Transient, Untrusted
from rest import errors
from rest.problems import flat, handle, plain_response


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.BadRequest("a.b", "m"), 400, "a.b"),
        (errors.Unauthenticated("a.b", "m"), 401, "a.b"),
        (errors.Forbidden("a.b", "m"), 403, "a.b"),
        (errors.NotFound.of("signatory key"), 404, "signatory_key.not_found"),
        (errors.Conflict("a.b", "m"), 409, "a.b"),
        (errors.Gone("a.b", "m"), 410, "a.b"),
        (errors.TooLarge("a.b", "m"), 413, "a.b"),
        (errors.Unprocessable("a.b", "m"), 422, "a.b"),
        (errors.TooMany("a.b", "m"), 429, "a.b"),
        (errors.Unavailable("a.b", "m"), 503, "a.b"),
        (Invalid("model.too_large", "m"), 422, "model.too_large"),
        (Untrusted("signature.invalid", "m"), 422, "signature.invalid"),
        (Transient("store.busy", "m"), 503, "store.busy"),
        (FederationError("a.b", "m"), 422, "a.b"),
        (exceptions.ParseError(), 400, "request.malformed"),
        (exceptions.NotAuthenticated(), 401, "authentication.required"),
        (exceptions.AuthenticationFailed(), 401, "authentication.failed"),
        (exceptions.PermissionDenied(), 403, "permission.denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method.not_allowed"),
        (exceptions.NotAcceptable(), 406, "media_type.not_acceptable"),
        (exceptions.UnsupportedMediaType("a/b"), 415, "media_type.unsupported"),
        (exceptions.Throttled(wait=2.5), 429, "throttled"),
        (exceptions.ValidationError({"a": ["b"]}), 422, "input.invalid"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission.denied"),
        (ValidationError({"email": "bad"}), 422, "input.invalid"),
        (RequestDataTooBig(), 413, "request.too_large"),
        (SuspiciousOperation(), 400, "request.malformed"),
        (DataError("integer out of range"), 422, "input.out_of_range"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_problem_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    response = handle(error, {})
    assert response is not None
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert response.data["code"] == code
    assert response.data["status"] == status
    assert response.data["title"] == HTTPStatus(status).phrase


def test_a_bug_stays_a_bug() -> None:
    assert handle(KeyError("x"), {}) is None
    assert handle(IntegrityError("a constraint that nobody named"), {}) is None


def test_a_problem_says_when_to_come_again() -> None:
    throttled, busy = handle(exceptions.Throttled(wait=2.5), {}), handle(Transient("a.b", "m"), {})
    assert throttled is not None
    assert busy is not None
    assert throttled.headers["Retry-After"] == "3"
    assert busy.headers["Retry-After"] == "5"


def test_a_problem_names_the_field_at_fault() -> None:
    response = handle(Invalid("model.invalid", "Too wide.", "model.hidden.0"), {})
    assert response is not None
    assert response.data["fields"] == {"model.hidden.0": ["Too wide."]}
    assert "fields" not in handle(Invalid("a.b", "m"), {}).data  # type: ignore[union-attr]


def test_nested_errors_become_dotted_paths() -> None:
    detail = exceptions.ValidationError(
        {
            "name": ["Too long."],
            "model": {"hidden": [{}, {"width": ["Negative."]}], "non_field_errors": ["Does not fit."]},
            "roles": {"1": ["Unknown."]},
            "non_field_errors": ["Nothing said."],
        }
    ).detail
    assert flat(detail) == {
        "name": ["Too long."],
        "model.hidden.1.width": ["Negative."],
        "model": ["Does not fit."],
        "roles.1": ["Unknown."],
        "body": ["Nothing said."],
    }


def test_a_problem_outside_of_rest_framework_has_the_same_form() -> None:
    response = plain_response(errors.TooMany("a.b", "m", headers={"Retry-After": "7"}))
    assert response.status_code == 429
    assert response["Retry-After"] == "7"
    assert response["Content-Type"] == "application/problem+json"
