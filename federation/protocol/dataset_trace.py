"""Follows columns through a declaration's steps, without data: what comes out, and every step that can't be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from federation.protocol.dataset_columns import Column, ColumnType, Label
from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues, Rename
from federation.protocol.dataset_steps import (
    ByColumn,
    ByDate,
    DropColumns,
    DropRowsWithMissing,
    OneHot,
    Split,
    Standardise,
    Step,
    Target,
)

FEATURES_MAX = 100_000
_CHANGES = frozenset({"impute", "clip", "log"})


class Faulty(ValueError):
    """All that is wrong with a declaration as a whole: the place (a dotted path, or nothing) and what is wrong."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(dict.fromkeys(one_report for _, one_report in faults)))
        self.faults = tuple(faults)


@dataclass
class Traced:
    """A column as it has become so far. `made` is what was done to its values, in order."""

    raw: str
    name: str
    type: ColumnType
    levels: tuple[Label, ...] | None
    unit: str | None
    made: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.type in ("number", "integer") or (self.levels is not None and isinstance(self.levels[0], int))

    @property
    def is_changed(self) -> bool:
        """Whether its values are other than observed ones."""
        return any(done["step"] in _CHANGES for done in self.made)


@dataclass(frozen=True)
class Feature:
    """A number that a model gets: a column, or (`level` given) whether a column has that level."""

    name: str
    column: Traced
    level: Label | None = None
    scaled: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Trace:
    """What a declaration ends in. `columns` are those that are read, in declared order, by their last names."""

    features: tuple[Feature, ...]
    columns: tuple[Traced, ...]
    target: Traced
    split: Traced | None


def trace(columns: Sequence[Column], steps: Sequence[Step], split: Split) -> Trace:
    """Follow the columns through the steps. Raises Faulty with everything that can't be carried out."""
    return _Tracing(columns, steps, split).run()


class _Tracing:
    def __init__(self, columns: Sequence[Column], steps: Sequence[Step], split: Split) -> None:
        self.steps, self.split = steps, split
        self.all = [Traced(one.name, one.name, one.type, one.levels, one.unit) for one in columns]
        self.plain = {one.name: one for one in self.all}
        self.dropped: set[str] = set()
        self.encoded: list[Feature] = []
        self.target: Traced | None = None
        self.split_column: Traced | None = None
        self.is_settled = False
        self.features: dict[str, Feature] = {}
        self.place = ""
        self.faults: list[tuple[str, str]] = []

    def run(self) -> Trace:
        if sum(isinstance(step, Target) for step in self.steps) != 1:
            self.fault("there is exactly one target step")
        for number, step in enumerate(self.steps):
            self.place = f"steps.{number}"
            if number and isinstance(self.steps[number - 1], Standardise) and not isinstance(step, Standardise):
                self.fault("standardise comes last")
            self.follow(step)
        self.settle()
        self.place = ""
        for feature in self.features.values():
            if feature.level is None and feature.column.type not in ("number", "integer"):
                self.fault(f"{feature.name!r} is {feature.column.type}: encode it or drop it")
        count = len(self.plain) + len(self.encoded)
        if count > FEATURES_MAX or count != len(self.features):
            self.fault(f"features have distinct names, and there are at most {FEATURES_MAX}")
        if not count:
            self.fault("no feature is left")
        if self.faults or self.target is None:
            raise Faulty(self.faults)
        used = tuple(one for one in self.all if one.raw not in self.dropped)
        return Trace(tuple(self.features.values()), used, self.target, self.split_column)

    def fault(self, statement: str) -> None:
        self.faults.append((self.place, statement))

    def follow(self, step: Step) -> None:
        match step:
            case DropColumns():
                self.dropped |= {one.raw for one in self.take(step.columns, step.step)}
            case DropRowsWithMissing():
                for one in self.plain.values():
                    one.made.append({"step": step.step})
            case Rename():
                self.rename(step)
            case MapValues():
                for one in self.named(step.columns, step.step):
                    self.map_values(step, one)
            case Impute():
                for one in self.named(step.columns, step.step):
                    self.impute(step, one)
            case Clip() | Log():
                for one in self.named(step.columns, step.step):
                    self.change(step, one)
            case Target():
                self.make_target(step)
            case OneHot():
                for one in self.take(step.columns, step.step):
                    if one.levels is None:
                        self.fault(f"one_hot needs the levels of {one.name!r}")
                        continue
                    levels = one.levels[int(step.drop_first) :]
                    self.encoded += [Feature(f"{one.name}={level}", one, level) for level in levels]
            case Standardise():
                self.standardise(step)

    def named(self, names: Sequence[str], step: str) -> Iterator[Traced]:
        for name in names:
            if name in self.plain:
                yield self.plain[name]
            else:
                self.fault(f"{step} names {name!r}, which is no column at that point")

    def take(self, names: Sequence[str], step: str) -> list[Traced]:
        """These columns are no plain columns any more."""
        taken = list(self.named(names, step))
        for one in taken:
            if self.plain.pop(one.name, None) is None:
                self.fault(f"{step} names {one.name!r} twice")
        return taken

    def rename(self, step: Rename) -> None:
        new = {one.column: one.to for one in step.renames}
        moved = list(self.named(list(new), step.step))
        others = {one.name for one in self.all if one not in moved and one.raw not in self.dropped}
        for one in moved:
            if new[one.name] in others:
                self.fault(f"rename gives {one.name!r} the name {new[one.name]!r}, which another column has")
            others.add(new[one.name])
        for one in moved:
            one.name = new[one.name]
        self.plain = {one.name: one for one in self.plain.values()}

    def map_values(self, step: MapValues, one: Traced) -> None:
        if one.type == "date":
            self.fault(f"map_values is not for dates, and {one.name!r} is one")
            return
        self.check_labels(one, [value.value for value in step.values])
        new = {str(value.value): value.to for value in step.values}
        changes_kind = step.becomes is not None and (step.becomes is int) != one.is_numeric
        if one.levels is not None:
            mapped = [new.get(str(level), level) for level in one.levels]
            levels = tuple(dict.fromkeys(level for level in mapped if level is not None))
            if len({type(level) for level in levels}) > 1:
                self.fault(f"map_values makes numbers and texts of the levels of {one.name!r}: name them all")
            if step.levels is not None and (unknown := [level for level in levels if level not in step.levels]):
                self.fault(f"map_values leaves {unknown[0]!r} in {one.name!r}, which is not among its levels")
            one.levels = step.levels or levels
            if len(one.levels) < 2:
                self.fault(f"map_values leaves {one.name!r} fewer than two levels")
        elif changes_kind:
            kind = "numbers" if step.becomes is int else "texts"
            self.fault(f"map_values makes {kind} of {one.name!r}: say that column's levels")
        elif step.levels is not None:
            if one.type == "number":
                self.fault(f"levels belong to integer and category columns, and {one.name!r} is number")
            one.levels = step.levels
            one.type = "category" if one.type == "text" else one.type
        if changes_kind:
            one.type = "integer" if step.becomes is int else "category"

    def impute(self, step: Impute, one: Traced) -> None:
        if one.type == "date":
            self.fault(f"impute is not for dates, and {one.name!r} is one")
            return
        if one.is_numeric == isinstance(step.value, str):
            kinds = ("a text", "numbers") if one.is_numeric else ("a number", "texts")
            self.fault(f"impute puts {kinds[0]} into {one.name!r}, which holds {kinds[1]}")
        elif one.levels is not None and step.value not in one.levels:
            self.fault(f"impute puts a value into {one.name!r} that is not among its levels")
        elif one.type == "integer" and float(step.value) % 1:
            self.fault(f"{one.name!r} holds whole numbers, so impute gives one")
        # equal numbers are one value, however they are written
        value = step.value if isinstance(step.value, str) else float(step.value)
        one.made.append({"step": step.step, "value": value})

    def change(self, step: Clip | Log, one: Traced) -> None:
        if one.type not in ("number", "integer") or one.levels is not None:
            self.fault(f"{step.step} is for numbers without levels, and {one.name!r} is not of these")
        one.made.append(step.model_dump(mode="json", exclude={"columns"}))
        if isinstance(step, Log):
            one.type = "number"

    def make_target(self, step: Target) -> None:
        for one in self.take((step.column,), step.step):
            self.target = one
            self.check_labels(one, step.classes or ())
            if step.kind is not None and one.type not in ("number", "integer"):
                self.fault(f"a {step.kind} target needs a column of numbers, and {one.name!r} is {one.type}")
            if step.positive is not None and not one.is_numeric:
                self.fault("positive needs a column of numbers")
            if one.is_changed:
                self.fault(f"the target is as observed, so {one.name!r} is not imputed, clipped or logged")

    def standardise(self, step: Standardise) -> None:
        self.settle()
        done = step.model_dump(mode="json", exclude={"columns"})
        for name in step.columns or self.features:
            if name in self.features:
                self.features[name].scaled.append(done)
            else:
                self.fault(f"standardise names {name!r}, which is no feature")

    def settle(self) -> None:
        """Take the split's column, by its last name; what is left then is what a model gets."""
        if self.is_settled:
            return
        self.is_settled = True
        split, place = self.split, self.place
        self.place = "split"
        if isinstance(split, ByColumn | ByDate):
            for one in self.take((split.column,), "split"):
                self.split_column = one
                if isinstance(split, ByColumn):
                    self.check_labels(one, (split.train_value,))
                elif one.type != "date":
                    self.fault(f"by_date needs a column of dates, and {one.name!r} is {one.type}")
                if one.is_changed:
                    self.fault(f"the split is by what was observed: {one.name!r} is not imputed, clipped or logged")
        self.place = place
        every = (*(Feature(one.name, one) for one in self.plain.values()), *self.encoded)
        self.features = {one.name: one for one in every}

    def check_labels(self, one: Traced, labels: Sequence[Label]) -> None:
        """Labels have to be of the column's kind."""
        if one.is_numeric and not all(isinstance(label, int) for label in labels):
            self.fault(f"{one.name!r} holds numbers, so its labels are whole numbers")
        if one.type == "date":
            self.fault(f"{one.name!r} is a date, which has no labels")
