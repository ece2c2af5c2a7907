"""The columns of a silo's file as the consortium means them: after the silo's own steps, before all others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.protocol.dataset_recoding import MapValues, Rename
from federation.protocol.datasets import DatasetDeclaration
from federation.statistics.columns import columns_of
from silo_connector.trainer.data.errors import DataError, raise_all
from silo_connector.trainer.data.files import read_columns
from silo_connector.trainer.data.recoding import mapped
from silo_connector.trainer.data.table import CategoricalColumn, Numbers, read_column

CommonColumns = dict[str, Numbers | CategoricalColumn]


def load_common(declaration: DatasetDeclaration, path: Path) -> CommonColumns:
    """All rows of the file, by the columns' common names. Raises DataError ``data.*``."""
    raw, declared = read_columns(declaration, path), declaration.columns_by_name
    columns: CommonColumns = {}
    errors: list[DataError] = []
    for name in list(raw):
        typed = read_column(declared[name], raw.pop(name), declaration, path)
        columns[name] = typed.column
        errors += typed.errors
    raise_all(errors)
    for step in declaration.steps:
        if isinstance(step, Rename):
            new = {one.column: one.to for one in step.renames}
            columns = {new.get(name, name): column for name, column in columns.items()}
        elif isinstance(step, MapValues):
            for name in step.columns:
                columns[name], bad = mapped(columns[name], step)
                if bad.any():
                    errors.append(DataError("data.bad_value", f"{path}: column {name!r}: a value can't be mapped."))
    raise_all(errors)
    return {name: columns[name] for name in columns_of(declaration)}


def fingerprint_of(declaration: DatasetDeclaration, columns: CommonColumns, minimum_cell: int) -> str:
    """A digest of all rows in whatever order, of how their columns are cut, and of what is withheld below.

    Equal for the same rows under the same rule: what one minimum cell withholds another one may reveal.

    A row is hashed to 64 bits by mixing its values' (the finaliser of S. Vigna's splitmix64); the sorted hashes of all
    rows, with the cells as declared, go into one SHA-256. Of a single row nothing is kept.
    """
    rows = len(next(iter(columns.values())).missing)
    mixed = np.zeros(rows, dtype=np.uint64)
    for column in columns.values():
        mixed = _mix(mixed ^ _hashes(column))
    mixed.sort()
    shapes = [asdict(shape) for shape in columns_of(declaration).values()]
    rule = {"shapes": shapes, "minimum_cell": minimum_cell}
    digest = hashlib.sha256(json.dumps(rule, sort_keys=True).encode())
    digest.update(mixed.tobytes())
    return "sha256:" + digest.hexdigest()


def _hashes(column: Numbers | CategoricalColumn) -> NDArray[np.uint64]:
    if isinstance(column, Numbers):
        values = np.where(column.missing, np.nan, column.values + 0.0)  # one NaN, and one zero
        return _mix(np.ascontiguousarray(values).view(np.uint64))
    of_texts = [hashlib.sha256(text.encode()).digest()[:8] for text in column.texts]
    table = np.array([*(int.from_bytes(one, "little") for one in of_texts), 0], dtype=np.uint64)
    return np.asarray(table[column.codes])


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
