"""A file of settings held against its pydantic model: what is wrong in it comes out as `Fault`, all at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from silo_connector.settings_faults import TYPE, VALUE, Fault, close, missing, refusal, syntax, unknown, wrong
from silo_connector.toml_lines import Key, lines_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
EXPECTED = "setting"
"""The type of a model's own errors: their message is what is expected."""
_KINDS = {
    "string": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "list": "a list, as [ … ]",
    "tuple": "a list, as [ … ]",
    "time": "a time of day, as 22:00:00",
    "model": "a table",
    "dict": "a table",
}
_BOUNDS = ("greater_than_equal", "greater_than", "less_than_equal", "less_than", "too_long")
_BOUND_WORDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def read_settings(
    model: type[Model], path: Path, text: str, code: str, sample: str, context: Mapping[str, Any] | None = None
) -> Model:
    """The settings in a text. Raises Invalid with this code and everything that is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refusal(code, path, [syntax(error)], sample) from error
    try:
        return model.model_validate(data, context=dict(context or {}))
    except ValidationError as error:
        faults = [*_faults(error, model, lines_of(text))]
        raise refusal(code, path, faults, sample) from error


def _faults(error: ValidationError, model: type[BaseModel], lines: Mapping[Key, int]) -> Iterator[Fault]:
    for fault in error.errors(include_url=False):
        place = fault["loc"]
        key, table = ".".join(map(str, place)), place[:-1]
        match fault["type"]:
            case "missing":
                yield missing(key, _described(model, place) or "a value", lines.get(table))
            case "extra_forbidden":
                yield unknown(key, _hint(model, place), _line(lines, place))
            case _:
                reported, expected = _expected(fault, _described(model, place))
                yield wrong(reported, key, fault["input"], expected, _line(lines, place))


def _line(lines: Mapping[Key, int], place: Key) -> int | None:
    """The line of a setting, or of the nearest around it."""
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)


def _expected(fault: ErrorDetails, described: str) -> tuple[str, str]:
    """The code of a fault, and what should stand there."""
    wrong_with = fault["type"]
    if wrong_with == EXPECTED:
        return VALUE, fault["msg"]
    if wrong_with == "literal_error":
        return VALUE, fault["ctx"]["expected"]
    if wrong_with == "value_error":
        return VALUE, f"another value. {fault['msg'].removeprefix('Value error, ').removesuffix('.')}"
    if wrong_with in _BOUNDS:
        return VALUE, described or f"at most {fault['ctx'].get('max_length')} of these"
    return TYPE, described or _KINDS.get(wrong_with.partition("_")[0], "another kind of value")


def _described(model: type[BaseModel], place: Key) -> str:
    """What a setting is, by its model; empty where the model says no more than its type."""
    parent = _model_at(model, place[:-1])
    field = None if parent is None else parent.model_fields.get(str(place[-1]))
    if field is None:
        return ""
    return field.description or _range(field)


def _range(field: FieldInfo) -> str:
    """Between what a number has to be."""
    annotations = [field.annotation, *get_args(field.annotation)]
    metadata = [*field.metadata, *(one for part in annotations for one in getattr(part, "__metadata__", ()))]
    bounds = [one for part in metadata for one in getattr(part, "metadata", [part])]
    words = []
    for name, one_report in _BOUND_WORDS.items():
        found = [getattr(one, name) for one in bounds if getattr(one, name, None) is not None]
        words += [f"{one_report} {found[0]}"] if found else []
    is_whole = any(kind is int or int in get_args(kind) for kind in annotations)
    return f"{'a whole number' if is_whole else 'a number'} of {' and '.join(words)}" if words else ""


def _hint(model: type[BaseModel], place: Key) -> str:
    """What may have been meant by a setting that is unknown where it stands."""
    name, parent = str(place[-1]), _model_at(model, place[:-1])
    tables = {"": model, **_tables(model)}
    homes = [table for table, one in tables.items() if name in one.model_fields and one is not parent]
    if homes:
        home = f"under [{homes[0]}]" if homes[0] else "at the top of the file, above the first [table]"
        return f" It belongs {home}."
    if parent is not None and (meant := close(name, parent.model_fields)):
        return f" Did you mean {meant}?"
    for table, one in tables.items():
        if meant := close(name, one.model_fields, 0.8):
            return f" Did you mean {table}{'.' if table else ''}{meant}?"
    return ""


def _tables(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    return {name: inner for name in model.model_fields if (inner := _model_at(model, (name,))) is not None}


def _model_at(model: type[BaseModel], place: Key) -> type[BaseModel] | None:
    """The model of the table at a place."""
    for part in place:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
