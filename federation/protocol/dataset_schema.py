"""The digest of what a declaration ends in: silos whose digests are equal can train together (docs/adr/0034)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues, Rename
from federation.protocol.dataset_steps import ByDate, DropColumns, Split, Step, Target
from federation.protocol.dataset_trace import Trace, Traced
from federation.protocol.digests import digest_bytes

_OWN = (DropColumns, Rename, MapValues)
"""How a silo comes from its own file to the common columns: no part of what it ends in."""


def meaning_digest(trace: Trace, split: Split, target: Target) -> str:
    """The digest of the same in one form for every declaration: equal also where 1.0's digest knew only an order.

    The order of columns that are no features means nothing, nor that of steps which have nothing to do with each other.
    """
    return _digest(_second(trace, split, target))


def schema_digest(trace: Trace, steps: Sequence[Step], split: Split, target: Target) -> str:
    """The digest. Names of files, formats, bounds, dropped columns and the steps to common columns don't count.

    Version 1 is what protocol 1.0 had, of the declaration without the silo's own steps. Version 2 is of declarations
    that say what 1.0 could not (impute, clip, log, a split by date), so that no two versions mean the same.
    """
    is_new = isinstance(split, ByDate) or any(isinstance(step, Impute | Clip | Log) for step in steps)
    schema = _second(trace, split, target) if is_new else _first(trace, steps, split, target)
    return _digest(schema)


def _digest(schema: dict[str, Any]) -> str:
    return digest_bytes(json.dumps(schema, sort_keys=True, separators=(",", ":")).encode())


def _first(trace: Trace, steps: Sequence[Step], split: Split, target: Target) -> dict[str, Any]:
    return {
        "version": 1,
        "columns": [_column(column) for column in trace.columns],
        "steps": [step.model_dump(mode="json") for step in steps if not isinstance(step, _OWN)],
        "split": split.model_dump(mode="json"),
        "features": [feature.name for feature in trace.features],
        "classes": target.class_names,
    }


def _second(trace: Trace, split: Split, target: Target) -> dict[str, Any]:
    """Features in order, each with its column and what is done to it; the order of other columns means nothing."""
    columns = sorted(trace.columns, key=lambda column: column.name)
    return {
        "version": 2,
        "columns": [_column(column) | {"made": column.made} for column in columns],
        "features": [[one.name, one.column.name, one.level, one.scaled] for one in trace.features],
        "target": target.model_dump(mode="json"),
        "classes": target.class_names,
        "split": split.model_dump(mode="json"),
    }


def _column(column: Traced) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "levels": column.levels, "unit": column.unit}
