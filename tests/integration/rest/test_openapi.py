"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.validation import validate_schema

from rest.openapi import schema_document
from tests.support.every import every

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schema_document())
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate_schema(document)  # type: ignore[no-untyped-call]


def test_every_operation_is_described_and_shows_its_problems(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len(found) > 30
    for name, operation in every(found):
        assert operation.get("description"), name
        assert {"400", "401", "403", "406", "429"} <= set(operation["responses"]), name
        for status, response in every(operation["responses"].items()):
            if int(status) >= 400:
                problem = response["content"]["application/problem+json"]["schema"]
                assert problem == {"$ref": "#/components/schemas/Problem"}, name
        if "{" in name:
            assert "404" in operation["responses"], name
    names = [operation["operationId"] for _, operation in found]
    assert len(names) == len(set(names))


def test_each_operation_names_its_scopes(document: dict[str, Any]) -> None:
    by_name = dict(operations(document))
    assert by_name["GET /api/v1/events/"]["x-scope"] == "events:read"
    assert by_name["POST /api/v1/tokens/"]["x-scope"] is None
    assert all(operation["security"] for operation in by_name.values())


def test_idempotency_is_reported_where_it_is_honoured(document: dict[str, Any]) -> None:
    for name, operation in every(operations(document)):
        headers = [one["name"] for one in operation.get("parameters", []) if one["in"] == "header"]
        changes = name.startswith("POST") and not name.endswith("/quote/")  # a quote changes nothing
        assert ("Idempotency-Key" in headers) == changes, name


def test_bodies_are_closed_and_bounded(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("NewConsortiumRequest", "NewUserRequest", "NewTokenRequest", "NewOrganisationRequest"):
        assert schemas[name]["additionalProperties"] is False
    for name, schema in every(schemas.items()):
        if name.endswith("Request") and name.startswith("New"):
            for member, one_report in every(schema.get("properties", {}).items()):
                if one_report.get("type") == "string" and "format" not in one_report and "enum" not in one_report:
                    assert one_report.keys() & {"maxLength", "pattern"}, (name, member)


def test_each_list_is_answered_in_pages(document: dict[str, Any]) -> None:
    for name, operation in every(operations(document)):
        reported = (
            operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        if "Paginated" in str(reported):
            parameters = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
            assert parameters["page_size"]["schema"]["maximum"] == 200, name
            assert "cursor" in parameters


def test_the_document_is_public_and_read_only() -> None:
    answer = Client().get("/api/v1/schema/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/vnd.oai.openapi+json"
    assert json.loads(answer.content)["info"]["title"] == "Consilience"
    assert Client().get("/api/v1/schema/?version=%0d%0aX&format=yaml&lang=%00").status_code == 200
    assert Client().post("/api/v1/schema/").status_code == 405


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get("/api/v1/docs/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) >= 4
    for address in every(loaded):
        assert address.startswith("/")
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*src=)", text)
