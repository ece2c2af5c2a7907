"""In what two declarations differ, of what has to be alike for silos to train together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from federation.protocol.dataset_trace import Feature, Trace, Traced
from federation.protocol.datasets import DatasetDeclaration

Part = Literal["feature", "type", "levels", "unit", "steps", "scaling", "target", "classes", "split"]
_SHOWN_MAX = 200


@dataclass(frozen=True)
class Difference:
    """One thing that is said differently: `name` is the column's, the feature's place, or nothing."""

    part: Part
    name: str
    first: str
    other: str


def differences(first: DatasetDeclaration, other: DatasetDeclaration) -> list[Difference]:
    """All that differs, the columns first; nothing where only an order differs that means nothing."""
    return list(_of_columns(first.trace, other.trace)) + list(_of_features(first, other)) + list(_of_rest(first, other))


def _of_columns(first: Trace, other: Trace) -> Iterator[Difference]:
    theirs = {column.name: column for column in other.columns}
    for ours in first.columns:
        if ours.name in theirs:
            yield from _of_column(ours, theirs[ours.name])


def _of_column(ours: Traced, theirs: Traced) -> Iterator[Difference]:
    if ours.type != theirs.type:
        yield Difference("type", ours.name, ours.type, theirs.type)
    if ours.levels != theirs.levels:
        yield _difference("levels", ours.name, ours.levels, theirs.levels)
    if ours.unit != theirs.unit:
        yield _difference("unit", ours.name, ours.unit, theirs.unit)
    if ours.made != theirs.made:
        yield _difference("steps", ours.name, ours.made, theirs.made)


def _of_features(first: DatasetDeclaration, other: DatasetDeclaration) -> Iterator[Difference]:
    """The first feature that is another one, since all that follow may be moved only; and what is scaled otherwise."""
    pairs = list(zip_longest(first.trace.features, other.trace.features))
    for place, (ours, theirs) in enumerate(pairs, start=1):
        if _made_of(ours) != _made_of(theirs):
            yield _difference("feature", str(place), ours and ours.name, theirs and theirs.name)
            return
    for ours, theirs in pairs:
        if ours is not None and theirs is not None and ours.scaled != theirs.scaled:
            yield _difference("scaling", ours.name, ours.scaled, theirs.scaled)


def _made_of(feature: Feature | None) -> tuple[Any, ...]:
    return () if feature is None else (feature.name, feature.column.name, feature.level)


def _of_rest(first: DatasetDeclaration, other: DatasetDeclaration) -> Iterator[Difference]:
    ours, theirs = first.target, other.target
    if first.trace.target.name != other.trace.target.name:
        yield Difference("target", "", first.trace.target.name, other.trace.target.name)
    elif (ours.positive, ours.classes) != (theirs.positive, theirs.classes):
        yield _difference("target", "", ours.positive or ours.classes, theirs.positive or theirs.classes)
    elif first.class_names != other.class_names:
        yield _difference("classes", "", first.class_names, other.class_names)
    if first.split != other.split:
        yield _difference(
            "split", "", *(one_report.model_dump(mode="json") for one_report in (first.split, other.split))
        )


def _difference(part: Part, name: str, first: Any, other: Any) -> Difference:
    return Difference(part, name, _text(first), _text(other))


def _text(value: Any) -> str:
    """How a part of a declaration is shown."""
    match value:
        case None | () | []:
            text = "–"
        case dict():
            text = " ".join(f"{name} {_text(inner)}" for name, inner in value.items() if inner is not None)
        case list() | tuple():
            text = ", ".join(_text(inner) for inner in value)
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
