"""Serving a model outside the platform: a card and a file of weights, numpy, and nothing of this project."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Mapping[str, float | str | None]
Floats = NDArray[np.float64]


def complete(card: Mapping[str, Any], rows: Sequence[Row]) -> list[Row]:
    """The rows that the card does not leave out: a step counts for what is still missing when its turn comes."""
    asked = set()
    for feature in card["inputs"]["features"]:
        steps = [step["step"] for step in feature["steps"] if step["step"] in ("impute", "drop_rows_with_missing")]
        if steps[:1] == ["drop_rows_with_missing"]:
            asked.add(feature["column"])
    return [row for row in rows if all(row[name] is not None for name in asked)]


def matrix(card: Mapping[str, Any], rows: Sequence[Row], is_training: NDArray[np.bool_]) -> Floats:
    """What the model gets for these rows, standardised by those of them that are for training."""
    columns = [_feature(feature, rows, is_training) for feature in card["inputs"]["features"]]
    return np.array(columns).T


def _feature(feature: Mapping[str, Any], rows: Sequence[Row], is_training: NDArray[np.bool_]) -> Floats:
    values = np.array([_value(feature, row[feature["column"]]) for row in rows])
    for scale in feature["standardised"]:
        train = values[is_training]
        values = (values - train.mean()) / (train.std(ddof=scale["ddof"]) + scale["epsilon"])
    return values


def _value(feature: Mapping[str, Any], value: float | str | None) -> float:
    for step in feature["steps"]:
        match step["step"]:
            case "impute":
                value = step["value"] if value is None else value
            case "clip":
                low, high = step["minimum"], step["maximum"]
                assert isinstance(value, float)
                value = max(value, -math.inf if low is None else low)
                value = min(value, math.inf if high is None else high)
            case "log":
                assert isinstance(value, float)
                value = math.log(value + step["offset"])
            case other:
                assert other == "drop_rows_with_missing"
    assert value is not None
    return float(value) if feature["level"] is None else float(value == feature["level"])


def read_weights(file: bytes) -> dict[str, Floats]:
    """A safetensors file: eight bytes of length, a header in JSON, then the numbers."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    tensors = {}
    for name, spec in header.items():
        begin, end = (8 + length + offset for offset in spec["data_offsets"])
        tensors[name] = np.frombuffer(file[begin:end], dtype="<f4").reshape(spec["shape"]).astype(np.float64)
    return tensors


def chances(card: Mapping[str, Any], weights: Mapping[str, Floats], x: Floats) -> Floats:
    """The chance of each class [rows, classes], as ``architecture.computes`` says."""
    specification = card["architecture"]["specification"]
    if specification["family"] == "mlp":
        last = len(specification["hidden"])
        for layer in range(last + 1):
            x = x @ weights[f"layer{layer}.weight"].T + weights[f"layer{layer}.bias"]
            if layer < last:
                x = np.tanh(x) if specification["activation"] == "tanh" else np.maximum(x, 0)
    else:
        x = x @ weights["linear.weight"].T + weights["linear.bias"]
    if specification["family"] == "logistic":
        x = np.concatenate([np.zeros_like(x), x], axis=1)
    raised: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
