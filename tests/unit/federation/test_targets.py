"""Targets: found by looking, and each holds a report to what it has."""

from __future__ import annotations

import subprocess
import sys

import pytest

from federation.errors import Invalid
from federation.learning.models import FAMILIES
from federation.targets import TARGETS, Better, all_metrics, target_of
from tests.support.every import every


def test_every_target_says_what_it_has() -> None:
    assert list(TARGETS)[:2] == ["binary", "classes"]
    for target in TARGETS.values():
        assert {target.primary, target.best_by} <= {metric.name for metric in target.metrics}
        assert target.metric(target.best_by).is_pooled
        assert target.metric(target.primary).is_pooled
        for metric in every(target.metrics):
            assert all_metrics()[metric.name] == metric
            assert metric.title
            assert metric.description


@pytest.mark.parametrize(("n_classes", "name"), [(2, "binary"), (3, "classes"), (100_000, "classes")])
def test_where_no_target_is_named_it_follows_from_the_number_of_classes(n_classes: int, name: str) -> None:
    found = target_of(None, n_classes)
    assert (found.name, found.n_classes, found.n_outputs) == (name, n_classes, n_classes)
    assert target_of(name, n_classes) == found


@pytest.mark.parametrize(
    ("name", "n_classes", "code"),
    [
        ("binary", 3, "target.classes"),
        ("binary", None, "target.classes"),
        ("classes", 2, "target.classes"),
        ("classes", 100_001, "target.classes"),
        ("survival", 2, "target.unknown"),
        (None, 1, "target.classes"),
    ],
)
def test_a_target_and_a_number_of_classes_have_to_go_together(
    name: str | None, n_classes: int | None, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        target_of(name, n_classes)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "figures",
    [
        {"accuracy": 1.01},
        {"accuracy": -0.01},
        {"accuracy": True},
        {"loss": float("nan")},
        {"loss": "0.5"},
        {"auc": 2},
        {"confusion": 3},
        {"confusion": [[1, -1]]},
        {"confusion": [[1, 0.5]]},
        {"survivors": 3},
    ],
)
def test_a_report_with_other_figures_is_refused(figures: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        target_of("binary", 2).check(figures, 10)
    assert caught.value.code == "evaluation.figures"


def test_a_report_with_its_own_figures_holds() -> None:
    figures = {"loss": 0.3, "accuracy": 1, "auc": 0.5, "confusion": [[3, 4], [0, 3]]}
    target_of("binary", 2).check(figures, 10)
    with pytest.raises(Invalid):
        target_of("classes", 3).check({"auc": 0.5}, 10)


def test_metrics_have_a_direction() -> None:
    metrics = all_metrics()
    assert metrics["accuracy"].better is Better.HIGHER
    assert metrics["accuracy"].is_better(0.6, 0.5)
    assert metrics["loss"].is_better(0.5, 0.6)
    assert not metrics["loss"].is_better(0.5, 0.5)
    assert [metrics["loss"].counted(value) for value in (-3.0, 5.0, 1e9)] == [0.0, 5.0, 100.0]


def test_families_are_for_targets_that_there_are() -> None:
    for family in FAMILIES.values():
        assert family.targets
        assert family.targets <= set(TARGETS)


def test_targets_load_neither_torch_nor_pydantic() -> None:
    program = (
        "import sys; from federation.targets import TARGETS, target_of; target_of(None, 2).check({'loss': 1.0}, 3);"
        "assert not {'torch', 'pydantic', 'django'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
