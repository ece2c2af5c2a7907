"""No document holds a number, date, text or depth without a bound: by its schema, and by whatever is put into one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.errors import FederationError
from federation.protocol import documents
from federation.protocol.documents import Document, read
from federation.protocol.envelope import payload_unverified
from federation.validation import bounds
from federation.validation.encodings import DEPTH_MAX, strict_json
from tests.support.examples import examples

RECORDED = Path(__file__).parents[3] / "fixtures" / "protocol_1_0" / "documents"
KINDS: dict[str, type[Document]] = {
    "agreement": documents.Agreement,
    "audit-checkpoint": documents.AuditCheckpoint,
    "checkpoint-order": documents.CheckpointOrder,
    "code-review": documents.CodeReview,
    "dataset-registration": documents.DatasetRegistration,
    "dataset-withdrawal": documents.DatasetWithdrawal,
    "enrolment-statement": documents.EnrolmentStatement,
    "manifest": documents.Manifest,
    "platform-key-succession": documents.PlatformKeySuccession,
    "refusal": documents.Refusal,
    "silo-certificate": documents.SiloCertificate,
    "submission": documents.Submission,
    "train-order": documents.Order,
}
VALID = {name: json.loads(payload_unverified((RECORDED / f"{name}.json").read_bytes())) for name in KINDS}
HOSTILE: list[Any] = [
    *(2**53 + 1, -(2**53) - 1, 10**400, 1e308, -1e308, float("inf"), float("nan"), True, None),
    *("9999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    *("9999-12-31", "0001-01-01", "x" * 4001, "x" * 100_000, "two\nlines", "\x00", "\ud800", "‮reversed", "\u2028"),
    *("A" * 43 + "=", "A" * 42 + "B=", "", "💥" * 500),
    *([], [[]] * 20_000, {}, {"deep": {}}, {str(number): number for number in range(5000)}),
]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"deeper": value}
    return value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a document."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value[:2]):
            yield from leaves(inner, (*path, place))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with something else at a path."""
    if not path:
        return by
    first, *rest = path
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[first] = replaced(copied[first], tuple(rest), by)
    return copied


def check_bounded(value: Any, depth: int = 1) -> None:
    """What has been read is within bounds wide enough for every kind, and narrow enough to reckon with."""
    assert depth <= DEPTH_MAX
    match value:
        case bool() | None:
            pass
        case int():
            assert abs(value) <= bounds.NUMBER_MAX
        case float():
            assert abs(value) <= bounds.FINITE_MAX
        case str():
            value.encode()
            assert len(value) <= 4000
            assert "\0" not in value
        case datetime():
            assert 2000 <= value.year < 2200
        case date():
            assert 2000 <= value.year < 2200
        case dict():
            for name, inner in value.items():
                check_bounded(name, depth + 1)
                check_bounded(inner, depth + 1)
        case list() | tuple():
            for inner in value:
                check_bounded(inner, depth + 1)


def read_or_refuse(kind: type[Document], payload: bytes) -> Document | FederationError:
    try:
        return read(kind, payload)
    except FederationError as error:
        return error


def check_refusal(error: FederationError) -> None:
    assert error.code in ("document.malformed", "protocol.version")
    assert len(error.message) < 500, "what was sent is not sent back"


PLACES = [(name, path) for name, valid in VALID.items() for path in leaves(valid)]


@settings(max_examples=examples(400))
@given(place=st.sampled_from(PLACES), by=st.sampled_from([*HOSTILE, deep(60), deep(5000)]))
@example(place=("submission", ("phases_s",)), by={"train": 1e308})
@example(place=("platform-key-succession", ("made_at",)), by="9999-12-31T23:59:59Z")
def test_whatever_is_put_into_a_document_it_is_read_within_bounds_or_refused_with_a_code(
    place: tuple[str, tuple[Any, ...]], by: Any
) -> None:
    name, path = place
    try:
        payload = json.dumps(replaced(VALID[name], path, by)).encode()
    except RecursionError:
        payload = b'{"protocol":' + b"[" * 5000 + b"]" * 5000 + b"}"
    document = read_or_refuse(KINDS[name], payload)
    if isinstance(document, FederationError):
        check_refusal(document)
    else:
        check_bounded(document.model_dump(exclude={"registration", "certificate"}))


@pytest.mark.parametrize(
    ("name", "path", "most", "beyond"),
    [
        ("submission", ("phases_s", "train"), bounds.DURATION_S_MAX, bounds.DURATION_S_MAX + 1),
        ("submission", ("training", "rows"), bounds.ROWS_MAX, bounds.ROWS_MAX + 1),
        ("submission", ("training", "update_norm_l2"), 1e30, 1.1e30),
        ("submission", ("training", "loss"), -1e30, -1.1e30),
        ("submission", ("created_at",), "2199-12-31T23:59:59Z", "2200-01-01T00:00:00Z"),
        ("submission", ("created_at",), "2000-01-01T00:00:00Z", "1999-12-31T23:59:59Z"),
        ("refusal", ("message",), "m" * 500, "m" * 501),
        ("manifest", ("name",), "n" * 200, "n" * 201),
        ("manifest", ("seed",), 2**53, 2**53 + 1),
        ("manifest", ("model", "more"), "t" * 4000, "t" * 4001),
        ("manifest", ("strategy", "more"), list(range(1900)), list(range(2001))),
        ("dataset-registration", ("rows_coarse",), 10**10, 10**10 + 1),
    ],
)
def test_a_document_is_read_at_the_bound_and_refused_beyond_it(
    name: str, path: tuple[Any, ...], most: Any, beyond: Any
) -> None:
    valid = VALID[name]
    if path[-1] == "more":
        valid = replaced(valid, path[:-1], {**valid[path[0]], "more": None})
    read(KINDS[name], json.dumps(replaced(valid, path, most)).encode())
    with pytest.raises(FederationError, match=r"document\.malformed"):
        read(KINDS[name], json.dumps(replaced(valid, path, beyond)).encode())


def test_a_name_that_stands_twice_is_no_document() -> None:
    twice = json.dumps(VALID["refusal"]).replace('"number": 1', '"number": 1, "number": 2').encode()
    with pytest.raises(FederationError, match=r"document\.malformed"):
        read(documents.Refusal, twice)


@pytest.mark.parametrize(
    "data", [b"[" * 5_000_000, b"[" + b"[]," * 1_500_000 + b"[]]", b'{"a":' * 200 + b"1" + b"}" * 200]
)
def test_nesting_is_refused_before_it_costs_anything(data: bytes) -> None:
    with pytest.raises(FederationError, match=r"json\.too_deep"):
        strict_json(data)


def unbounded(schema: dict[str, Any], where: str, definitions: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The places of a JSON Schema that have no bound."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name not in seen:
            yield from unbounded(definitions[name], name, definitions, seen | {name})
        return
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, ()):
            yield from unbounded(inner, where, definitions, seen)
    if "enum" in schema or "const" in schema:
        return
    match schema.get("type"):
        case "string":
            if not ("maxLength" in schema or "pattern" in schema or "format" in schema):
                yield f"{where}: a text without a length"
        case "integer" | "number":
            low, high = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}
            if not (low & schema.keys() and high & schema.keys()):
                yield f"{where}: a number without two bounds"
        case "array":
            if "maxItems" not in schema:
                yield f"{where}: a list without a length"
            for inner in (*schema.get("prefixItems", ()), schema.get("items")):
                if isinstance(inner, dict):
                    yield from unbounded(inner, f"{where}[]", definitions, seen)
        case "object":
            for name, inner in schema.get("properties", {}).items():
                yield from unbounded(inner, f"{where}.{name}", definitions, seen)
            more = schema.get("additionalProperties")
            if more not in (None, False) and "maxProperties" not in schema:
                yield f"{where}: an object without a size"
            if isinstance(more, dict):
                yield from unbounded(more, f"{where}.*", definitions, seen)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_every_field_of_a_document_has_a_bound_in_its_schema(kind: type[Document]) -> None:
    schema = kind.model_json_schema()
    assert list(unbounded(schema, kind.__name__, schema.get("$defs", {}), set())) == []


@pytest.mark.parametrize("text", ["1" + "0" * 400, "-" + "9" * 30, "1e400", "NaN", str(2**64)])
def test_no_number_of_a_text_is_beyond_all_bounds(text: str) -> None:
    """Integers of hundreds of digits are no floats: a comparison, or `math.isfinite`, fails with them."""
    with pytest.raises(FederationError, match=r"json\.(not_finite|malformed)"):
        strict_json(f'{{"clock_skew_s": [{text}]}}')
    assert strict_json(f"[{2**64 - 1}, -{2**53}]") == [2**64 - 1, -(2**53)]
