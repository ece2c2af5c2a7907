"""The steps that change the values of one column, each by itself: no other row has a say in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.protocol.dataset_columns import Label
from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues
from silo_connector.trainer.data.table import CategoricalColumn, Mask, Numbers

Values = Numbers | CategoricalColumn


def mapped(column: Values, step: MapValues) -> tuple[Values, Mask]:
    """The column with the consortium's values, and which rows have a value that can't be one of these."""
    kept = (step.becomes is None) or (step.becomes is int) == isinstance(column, Numbers)
    done = _as_numbers(column, step, kept) if _ends_in_numbers(column, step) else _as_texts(column, step, kept)
    bad = done.missing & ~column.missing
    for one in step.values:
        if one.to is None:
            bad &= ~column.equals(one.value)
    if step.levels is not None:
        bad |= ~done.missing & ~np.any([done.equals(level) for level in step.levels], axis=0)
    return done, np.asarray(bad)


def imputed(column: Values, step: Impute) -> Values:
    """The column with the declared constant where a value was missing."""
    if isinstance(column, Numbers):
        return Numbers(np.where(column.missing, float(step.value), column.values))
    texts, place = _with(column.texts, str(step.value))
    return CategoricalColumn(np.where(column.missing, place, column.codes), texts)


def clipped(column: Numbers, step: Clip) -> Numbers:
    """The column within the declared bounds."""
    return Numbers(np.clip(column.values, step.minimum, step.maximum))


def logged(column: Numbers, step: Log) -> tuple[Numbers, Mask]:
    """The logarithm of value + offset, and which rows have none."""
    shifted = column.values + step.offset
    bad = ~column.missing & ~(shifted > 0)
    return Numbers(np.log(np.where(bad, 1.0, shifted))), np.asarray(bad)


def _ends_in_numbers(column: Values, step: MapValues) -> bool:
    return isinstance(column, Numbers) if step.becomes is None else step.becomes is int


def _as_numbers(column: Values, step: MapValues, kept: bool) -> Numbers:
    assert isinstance(column, Numbers) or not kept
    values = column.values.copy() if isinstance(column, Numbers) else np.full(len(column.codes), np.nan)
    for one in step.values:
        values[column.equals(one.value)] = np.nan if one.to is None else float(one.to)
    return Numbers(values)


def _as_texts(column: Values, step: MapValues, kept: bool) -> CategoricalColumn:
    texts: tuple[str, ...] = column.texts if isinstance(column, CategoricalColumn) else ()
    codes: NDArray[np.int64] = (
        column.codes.copy()
        if isinstance(column, CategoricalColumn)
        else np.full(len(column.values), -1, dtype=np.int64)
    )
    assert isinstance(column, CategoricalColumn) or not kept
    for one in step.values:
        texts, place = (texts, -1) if one.to is None else _with(texts, str(one.to))
        codes[column.equals(one.value)] = place
    return CategoricalColumn(codes, texts)


def _with(texts: tuple[str, ...], text: Label) -> tuple[tuple[str, ...], int]:
    """The texts with this one among them, and its place."""
    return (texts, texts.index(str(text))) if text in texts else ((*texts, str(text)), len(texts))
