"""What a job may ask of local training, and the seeds that silos shuffle by."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import Invalid
from federation.learning.specification import LocalTraining, parse_local, round_seed


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "local"),
        ({"steps": 1, "epochs": 1}, "local"),
        ({"steps": 0}, "local.steps"),
        ({"steps": 1_000_001}, "local.steps"),
        ({"epochs": 0}, "local.epochs"),
        ({"steps": 1, "batch_size": 0}, "local.batch_size"),
        ({"steps": 1, "learning_rate": 0}, "local.learning_rate"),
        ({"steps": 1, "learning_rate": float("nan")}, "local.learning_rate"),
        ({"steps": 1, "learning_rate": float("inf")}, "local.learning_rate"),
        ({"steps": 1, "momentum": 1.0}, "local.momentum"),
        ({"steps": 1, "momentum": 0.9, "optimiser": "adam"}, "local"),
        ({"steps": 1, "weight_decay": -1}, "local.weight_decay"),
        ({"steps": 1, "proximal_mu": -1}, "local.proximal_mu"),
        ({"steps": 1, "optimiser": "lbfgs"}, "local.optimiser"),
        ({"steps": 1, "code": "x"}, "local.code"),
    ],
)
def test_model_specification_refuses_wrong_values(data: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_local(data)
    assert (caught.value.code, caught.value.field) == ("local.invalid", field)


def test_an_epoch_is_a_pass_with_its_smaller_last_batch() -> None:
    assert parse_local({"epochs": 3, "batch_size": 4}).steps_for(10) == 9
    assert parse_local({"epochs": 3, "batch_size": 4}).steps_for(8) == 6
    assert parse_local({"steps": 7, "batch_size": 4}).steps_for(10) == 7


def test_model_specification_survives_the_manifest() -> None:
    local = parse_local({"steps": 7, "learning_rate": 0.1, "proximal_mu": 0.5})
    assert parse_local(local.model_dump(mode="json")) == local
    assert LocalTraining.model_json_schema()["additionalProperties"] is False


def test_round_seeds_differ_by_job_silo_and_round() -> None:
    seeds = {round_seed(seed, silo, number) for seed in (1, 2) for silo in ("a", "b") for number in (1, 2, 11)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert round_seed(42, "7f3b", 3) == 3374578431493398610
