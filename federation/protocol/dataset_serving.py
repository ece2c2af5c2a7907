"""What somebody has to do with a row of their own before a model gets it: from a declaration, for a model's card."""

from __future__ import annotations

from typing import Any

from federation.protocol.dataset_trace import Feature
from federation.protocol.datasets import DatasetDeclaration

STANDARDISATION = (
    "Each silo standardises by its own training rows: from a value it takes their mean, and divides by their standard "
    "deviation (its denominator is the number of rows less ddof) plus epsilon. These figures never leave a silo, so "
    "they are not here: take them from training rows of your own, after the other steps."
)
ROWS = "A row that still misses a value in a column whose step is drop_rows_with_missing is left out."
ONE_HOT = "A feature with a level is 1 where the column has that level, else 0."


def inputs_of(declaration: DatasetDeclaration) -> dict[str, Any]:
    """The features in the order in which a model gets them, each with its column and what is done to it, in order.

    Silos' own names and values are left out: columns are as all silos have them after `rename` and `map_values`.
    """
    features = [_input(place, feature) for place, feature in enumerate(declaration.trace.features)]
    by_name: dict[str, Any] = {"features": features, "one_hot": ONE_HOT, "missing": ROWS}
    if any(feature.scaled for feature in declaration.trace.features):
        by_name["standardisation"] = STANDARDISATION
    return by_name


def _input(place: int, feature: Feature) -> dict[str, Any]:
    column = feature.column
    return {
        "index": place,
        "name": feature.name,
        "column": column.name,
        "type": column.type,
        "unit": column.unit,
        "levels": None if column.levels is None else list(column.levels),
        "steps": column.made,
        "level": feature.level,
        "standardised": feature.scaled,
    }
