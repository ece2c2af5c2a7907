"""From pydantic's report to one refusal that a person can act on: everything that is wrong, by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from federation.errors import Invalid
from federation.sentences import Sentence

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FAULTS_MAX = 100
_SAID_MAX = 300
_TYPES = frozenset({"int", "float", "str", "bool", "date", "constrained-int", "constrained-float", "constrained-str"})
Better = Mapping[tuple[str, str], str]
EMPTY = "This can't be empty."

# What pydantic's types of errors mean, for people who have never heard of it; `%(…)s` is from the error's context.
PLAIN = {
    "missing": "This has to be given.",
    "extra_forbidden": "There is no such field here.",
    "int_type": "This has to be a whole number.",
    "int_parsing": "This has to be a whole number.",
    "int_from_float": "This has to be a whole number.",
    "int_parsing_size": "This number is too large.",
    "float_type": "This has to be a number.",
    "float_parsing": "This has to be a number.",
    "finite_number": "This has to be a finite number.",
    "bool_type": "This has to be true or false.",
    "bool_parsing": "This has to be true or false.",
    "string_type": "This has to be text.",
    "string_too_short": "This needs at least %(min_length)s characters.",
    "string_too_long": "This may have at most %(max_length)s characters.",
    "string_pattern_mismatch": "This has to be written like %(pattern)s",
    "too_short": "There have to be at least %(min_length)s of these.",
    "too_long": "There may be at most %(max_length)s of these.",
    "greater_than_equal": "This has to be at least %(ge)s.",
    "greater_than": "This has to be more than %(gt)s.",
    "less_than_equal": "This has to be at most %(le)s.",
    "less_than": "This has to be less than %(lt)s.",
    "literal_error": "This has to be %(expected)s.",
    "enum": "This has to be %(expected)s.",
    "union_tag_invalid": "This has to be one of %(expected_tags)s.",
    "json_invalid": "This is no JSON.",
    "uuid_type": "This has to be an id (a UUID).",
    "uuid_parsing": "This has to be an id (a UUID).",
    "list_type": "This has to be a list.",
    "tuple_type": "This has to be a list.",
    "dict_type": "This has to be an object with named members.",
    "model_type": "This has to be an object with named members.",
    "model_attributes_type": "This has to be an object with named members.",
}

# What a text looks like that has to match a pattern: people read examples.
EXAMPLES = {
    r"^[A-Z]{2}$": "CH (a country's two capital letters)",
    r"^(ICD-10:[A-Z][0-9]{0,2}(\.[0-9A-Z]{1,4})?|MONDO:[0-9]{7})$": "ICD-10:I25.1 or MONDO:0005010",
    r"^sha256:[0-9a-f]{64}$": f"sha256:{'0123456789abcdef' * 4}",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "heart-disease (small letters, digits and hyphens)",
}
_LITERAL = "literal_error"
_PLACE = re.compile(r"%\((\w+)\)s")


def refusal(
    error: ValidationError,
    code: str,
    within: str | None = None,
    better: Better | None = None,
    data: object = None,
) -> Invalid:
    """All that is wrong, as Invalid with this code; fields are dotted paths, under `within` if given.

    `data` is what was read: with it, paths name its fields alone, and not which type was tried. The message and the
    field are those of the first fault. `better` has the words for a path and a type of error where there are better
    ones. The values that were refused are never part of it, and no more than FAULTS_MAX are reported.
    """
    fields: dict[str, list[str]] = {}
    choices: dict[str, int] = {}
    for fault in error.errors(include_url=False, include_input=False)[:FAULTS_MAX]:
        path = ".".join(part for part in (within, path_of(fault, data)) if part)
        if fault["type"] == "too_short" and any(inner.startswith(f"{path}.") for inner in fields):
            continue  # members that are wrong themselves were not counted
        statement = (better or {}).get((path, fault["type"])) or plain(fault)
        if statement in fields.setdefault(path, []):
            continue
        if fault["type"] == _LITERAL and path in choices:  # a value out of one list or another
            statement = _joined(fields[path].pop(choices[path]), statement)
        if fault["type"] == _LITERAL:
            choices[path] = len(fields[path])
        fields[path].append(statement)
    first = next(iter(fields))
    of_the_whole = fields.pop("", [])  # what is wrong with everything together belongs to no field
    message = of_the_whole[0] if first == "" else fields[first][0]
    return Invalid(code, message, first or None, fields=fields)


def _joined(one: str, other: str) -> str:
    """Two lists of what a value has to be, as one sentence."""
    if not isinstance(one, Sentence) or not isinstance(other, Sentence):
        return other
    first = str(one.params["expected"]).replace(" or ", ", ")
    return Sentence(PLAIN[_LITERAL], expected=f"{first}, {other.params['expected']}")


def path_of(fault: ErrorDetails, data: object = None) -> str:
    """The dotted path of a fault: of fields alone, without the types that pydantic tried and puts there as expressions.

    `data` is what was read; without it, only what can't be a field's name is left out.
    """
    rows: list[str] = []
    for number, part in enumerate(fault["loc"]):
        inner: object = None
        is_missing = fault["type"] == "missing" and number + 1 == len(fault["loc"])
        if isinstance(data, Mapping) and part in data:
            inner = data[part]
        elif isinstance(data, list | tuple) and isinstance(part, int):
            inner = data[part] if part < len(data) else None
        elif isinstance(part, str) and not is_missing and _is_type(part, data):
            continue
        rows.append(str(part))
        data = inner
    return ".".join(rows)


def _is_type(part: str, data: object) -> bool:
    """Whether a part of a path is a type that was tried, or the tag of one, and no field (which may be left out)."""
    if part in _TYPES or any(character in part for character in "[](){}"):
        return True
    return part in data.values() if isinstance(data, Mapping) else data is not None


def plain(fault: ErrorDetails) -> str:
    """What a fault is, in a sentence that says nothing of the value."""
    if fault["type"] == "string_too_short" and fault["ctx"]["min_length"] == 1:
        return EMPTY
    if known := PLAIN.get(fault["type"]):
        context = fault.get("ctx", {})
        whole = {name: int(value) for name, value in context.items() if isinstance(value, float) and value.is_integer()}
        if fault["type"] == "string_pattern_mismatch":
            context = {"pattern": EXAMPLES.get(context["pattern"], context["pattern"])}
        by_name = {**context, **whole}
        return Sentence(known, **{name: by_name[name] for name in _PLACE.findall(known)})
    return fault["msg"].removeprefix("Value error, ")[:_SAID_MAX]
