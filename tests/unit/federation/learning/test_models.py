"""Model families: each lays out what torch would, starts the same everywhere, and is bounded."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from federation.errors import Invalid
from federation.learning.models import FAMILIES, parse_model
from federation.protocol.tensors import Layout, count_parameters
from federation.targets import target_of
from tests.support.every import every

SPECIFICATIONS: list[tuple[dict[str, Any], int, int]] = [
    ({"family": "logistic"}, 13, 2),
    ({"family": "softmax"}, 7, 5),
    ({"family": "mlp", "hidden": [8]}, 13, 2),
    ({"family": "mlp", "hidden": [6, 5, 4], "activation": "gelu"}, 3, 4),
]


def laid_out(data: dict[str, Any], n_features: int, n_classes: int) -> Layout:
    family, spec = parse_model(data)
    return family.layout(spec, n_features, target_of(None, n_classes))


def refusal(data: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse_model(data)
    return caught.value


def test_every_family_is_found_and_describes_itself() -> None:
    assert set(FAMILIES) == {"linear", "logistic", "mlp", "plan", "softmax"}
    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.when_to_use.endswith(".")
        schema = family.Specification.model_json_schema()
        assert schema["additionalProperties"] is False
        assert schema["properties"]["family"]["const"] == name


@pytest.mark.parametrize(("data", "n_features", "n_classes"), SPECIFICATIONS)
def test_the_layout_is_the_torch_state_dict(data: dict[str, Any], n_features: int, n_classes: int) -> None:
    family, spec = parse_model(data)
    module = family.build(spec, n_features, target_of(None, n_classes))
    expected = [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in module.state_dict().items()]
    layout = family.layout(spec, n_features, target_of(None, n_classes))
    assert [(one.name, tuple(one.shape), torch.float32) for one in layout] == expected
    outputs = module(torch.zeros(2, n_features))
    assert outputs.shape == (2, 1 if family.name == "logistic" else n_classes)


@pytest.mark.parametrize(("data", "n_features", "n_classes"), SPECIFICATIONS)
def test_starting_weights_follow_from_the_seed(data: dict[str, Any], n_features: int, n_classes: int) -> None:
    family, spec = parse_model(data)
    one, same, other = (family.initial(spec, n_features, target_of(None, n_classes), seed) for seed in (5, 5, 6))
    assert [(name, array.shape, array.dtype.str) for name, array in one.items()] == [
        (tensor.name, tensor.shape, "<f4") for tensor in family.layout(spec, n_features, target_of(None, n_classes))
    ]
    for name, array in every(one.items()):
        np.testing.assert_array_equal(array, same[name])
        assert np.any(array != other[name])


def test_starting_weights_are_these_on_every_machine() -> None:
    family, spec = parse_model({"family": "logistic"})
    weights = family.initial(spec, 2, target_of("binary", 2), 42)
    assert weights["linear.weight"].tobytes().hex() == "01b514bf865dc63e"
    assert weights["linear.bias"].tobytes().hex() == "e8d75f3e"


def test_starting_weights_are_distributed_as_torch_distributes_them() -> None:
    family, spec = parse_model({"family": "mlp", "hidden": [400]})
    weights = family.initial(spec, 100, target_of("binary", 2), 0)
    for name, inputs in (("layer0.weight", 100), ("layer1.weight", 400)):
        bound = 1 / math.sqrt(inputs)
        values = weights[name].ravel()
        assert np.abs(values).max() <= bound
        assert abs(values.mean()) < 4 * bound / math.sqrt(3 * values.size)
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    torch_values = torch.nn.Linear(100, 400).weight.detach().numpy().ravel()
    assert weights["layer0.weight"].std() == pytest.approx(torch_values.std(), rel=0.02)


@pytest.mark.parametrize(
    "data", [{}, {"family": "forest"}, {"family": None}, {"family": ["mlp"]}, {"family": "__init__"}]
)
def test_refuses_an_unknown_family(data: dict[str, Any]) -> None:
    error = refusal(data)
    assert (error.code, error.field) == ("model.unknown_family", "model.family")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"family": "logistic", "depth": 1}, "model.depth"),
        ({"family": "mlp"}, "model.hidden"),
        ({"family": "mlp", "hidden": []}, "model.hidden"),
        ({"family": "mlp", "hidden": [0]}, "model.hidden.0"),
        ({"family": "mlp", "hidden": [8, 65_537]}, "model.hidden.1"),
        ({"family": "mlp", "hidden": [1] * 17}, "model.hidden"),
        ({"family": "mlp", "hidden": [8], "activation": "exec"}, "model.activation"),
        ({"family": "mlp", "hidden": "8"}, "model.hidden"),
    ],
)
def test_refuses_what_is_out_of_bounds(data: dict[str, Any], field: str) -> None:
    error = refusal(data)
    assert (error.code, error.field) == ("model.invalid", field)


def test_refuses_a_model_that_is_too_large_without_making_it() -> None:
    with pytest.raises(Invalid) as caught:
        laid_out({"family": "mlp", "hidden": [65_536, 65_536]}, 10, 2)
    assert caught.value.code == "model.too_large"
    with pytest.raises(Invalid) as caught:
        laid_out({"family": "softmax"}, 1_000_000, 100_000)
    assert caught.value.code == "model.too_large"
    assert count_parameters(laid_out({"family": "mlp", "hidden": [10_000, 10_000]}, 1000, 2)) == 110_040_002


def test_logistic_regression_is_for_two_classes() -> None:
    with pytest.raises(Invalid) as caught:
        laid_out({"family": "logistic"}, 13, 3)
    assert caught.value.code == "model.does_not_fit"


def test_naming_families_and_making_weights_needs_no_torch() -> None:
    program = (
        "import sys; from federation.learning.models import FAMILIES, parse_model;"
        "from federation.targets import target_of;"
        "family, spec = parse_model({'family': 'mlp', 'hidden': [4]});"
        "family.initial(spec, 3, target_of('binary', 2), 1);"
        "import federation.aggregation.aggregate, federation.learning.weights;"
        "assert 'torch' not in sys.modules and 'pyarrow' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
