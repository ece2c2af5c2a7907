"""The family of models that plans compute: laid out and started without running any code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from federation.errors import Invalid
from federation.learning.models import parse_model
from federation.targets import target_of

ODD = {
    "family": "plan",
    "parameters": [
        {"name": "deep.weight", "shape": ["n_classes", 3, "n_features"]},
        {"name": "deep.bias", "shape": ["n_classes"]},
        {"name": "scale", "shape": [], "start": "ones"},
        {"name": "shift", "shape": [2], "start": "zeros"},
    ],
}


def test_extents_of_the_job_are_filled_in() -> None:
    family, spec = parse_model(ODD)
    assert [tensor.shape for tensor in family.layout(spec, 5, target_of(None, 4))] == [(4, 3, 5), (4,), (), (2,)]


def test_the_start_is_as_declared_and_the_same_everywhere() -> None:
    family, spec = parse_model(ODD)
    weights = family.initial(spec, 5, target_of(None, 4), 7)
    bound = 1 / math.sqrt(15)
    assert {name: tensor.dtype for name, tensor in weights.items()} == dict.fromkeys(weights, np.dtype("f4"))
    for name in ("deep.weight", "deep.bias"):
        assert bound / 2 < np.abs(weights[name]).max() <= bound
    assert weights["scale"] == 1
    assert not weights["shift"].any()
    again, other = family.initial(spec, 5, target_of(None, 4), 7), family.initial(spec, 5, target_of(None, 4), 8)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)
    assert not np.array_equal(other["deep.weight"], weights["deep.weight"])


def test_a_plan_s_linear_layer_starts_as_the_logistic_family_does() -> None:
    declared = [{"name": "linear.weight", "shape": [1, "n_features"]}, {"name": "linear.bias", "shape": [1]}]
    plan, plan_spec = parse_model({"family": "plan", "parameters": declared})
    logistic, spec = parse_model({"family": "logistic"})
    assert plan.layout(plan_spec, 6, target_of(None, 2)) == logistic.layout(spec, 6, target_of(None, 2))
    ours, theirs = plan.initial(plan_spec, 6, target_of(None, 2), 3), logistic.initial(spec, 6, target_of(None, 2), 3)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ([], "model.invalid"),
        ([{"name": "a b", "shape": [1]}], "model.invalid"),
        ([{"name": "a", "shape": [0]}], "model.invalid"),
        ([{"name": "a", "shape": [1] * 9}], "model.invalid"),
        ([{"name": "a", "shape": [1], "start": "normal"}], "model.invalid"),
        ([{"name": "a", "shape": [1], "code": "x"}], "model.invalid"),
        ([{"name": "a", "shape": [1]}, {"name": "a", "shape": [1]}], "model.duplicate"),
        ([{"name": "__metadata__", "shape": [1]}], "model.duplicate"),
        ([{"name": "a", "shape": [2**20, 2**20]}], "model.too_large"),
        ([{"name": "a", "shape": [2**26]}, {"name": "b", "shape": [2**26 + 1]}], "model.too_large"),
    ],
)
def test_what_can_not_be_laid_out(parameters: list[dict[str, Any]], code: str) -> None:
    def lay_out() -> None:
        family, spec = parse_model({"family": "plan", "parameters": parameters})
        family.layout(spec, 4, target_of(None, 2))

    with pytest.raises(Invalid) as caught:
        lay_out()
    assert caught.value.code == code


def test_a_plan_s_model_can_t_be_built_without_the_plan() -> None:
    family, spec = parse_model(ODD)
    with pytest.raises(Invalid, match=r"model\.needs_plan"):
        family.build(spec, 4, target_of(None, 2))
