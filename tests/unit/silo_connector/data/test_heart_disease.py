"""The four hospitals' files through the shipped declaration, against a recipe of its own in plain numpy."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from silo_connector.trainer.data import load
from tests.unit.silo_connector.data.conftest import example

COUNTS = {
    "cleveland": (303, 303, 199, 104),
    "hungarian": (294, 261, 172, 89),
    "switzerland": (123, 46, 30, 16),
    "va": (200, 130, 85, 45),
}
ILL = {
    "cleveland": (0.457, 0.462),
    "hungarian": (0.378, 0.371),
    "switzerland": (1.0, 0.938),
    "va": (0.776, 0.778),
}
FEATURES = (
    *("age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak"),
    *("cp=2", "cp=3", "cp=4", "restecg=1", "restecg=2"),
)


def recipe(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Features, target, rows for training, rows for testing: the preprocessing written out by hand for these files."""
    with path.open() as stream:
        records = [[row[place] for place in (*range(10), 13)] for row in csv.reader(stream)]
    rows = [[float(value) for value in record] for record in records if "?" not in record]
    target = np.array([int(row[10] > 0) for row in rows], dtype=np.int64)
    healthy = int(np.sum(target == 0))
    train, test = train_test_split(
        np.arange(len(rows)),
        train_size=0.66,
        test_size=1 - 0.66,
        random_state=43,
        shuffle=True,
        stratify=target if min(healthy, len(rows) - healthy) >= 3 else None,
    )
    columns = [[row[place] for row in rows] for place in (0, 1, 3, 4, 5, 7, 8, 9)]
    columns += [[float(row[2] == level) for row in rows] for level in (2, 3, 4)]
    columns += [[float(row[6] == level) for row in rows] for level in (1, 2)]
    train, test = np.sort(train), np.sort(test)
    scaled = []
    for column in columns:
        values = np.array(column)
        scaled.append((values - np.mean(values[train])) / (np.std(values[train], ddof=1) + 1e-9))
    return np.array(scaled).T.astype(np.float32), target, train, test


@pytest.mark.parametrize("hospital", COUNTS)
def test_the_declaration_reproduces_the_recipe_to_the_bit(heart_disease: Path, hospital: str) -> None:
    path = heart_disease / f"processed.{hospital}.data"
    prepared = load(example("heart-disease"), path)
    features, target, train, test = recipe(path)
    assert prepared.train.features.tobytes() == features[train].tobytes()
    assert prepared.test.features.tobytes() == features[test].tobytes()
    np.testing.assert_array_equal(prepared.train.labels, target[train])
    np.testing.assert_array_equal(prepared.test.labels, target[test])


@pytest.mark.parametrize("hospital", COUNTS)
def test_counts_are_the_published(heart_disease: Path, hospital: str) -> None:
    prepared = load(example("heart-disease"), heart_disease / f"processed.{hospital}.data")
    found = (prepared.rows_read, prepared.rows_total, len(prepared.train), len(prepared.test))
    assert found == COUNTS[hospital]
    shares = (prepared.train.labels.mean(), prepared.test.labels.mean())
    assert shares == pytest.approx(ILL[hospital], abs=6e-4)
    assert prepared.train.target.n_classes == prepared.test.target.n_classes == 2


def test_seven_hundred_and_forty_rows_in_all(heart_disease: Path) -> None:
    prepared = [load(example("heart-disease"), heart_disease / f"processed.{hospital}.data") for hospital in COUNTS]
    assert sum(one.rows_total for one in prepared) == 740
    assert (sum(len(one.train) for one in prepared), sum(len(one.test) for one in prepared)) == (486, 254)


def test_the_thirteen_features_in_their_order() -> None:
    declaration = example("heart-disease")
    assert declaration.features() == FEATURES
    assert declaration.class_names == ("healthy", "ill")


def test_training_rows_are_standardised(heart_disease: Path) -> None:
    train = load(example("heart-disease"), heart_disease / "processed.cleveland.data").train.features.astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0, ddof=1), 1, rtol=1e-6)


def test_a_hospital_that_lacks_a_category_has_the_same_features(heart_disease: Path, tmp_path: Path) -> None:
    """Without a patient of chest pain type 3 or 1, cp=3 is all 0 and cp=2 is still cp=2."""
    lines = (heart_disease / "processed.cleveland.data").read_text().splitlines()
    kept = [line for line in lines if line.split(",")[2] not in ("3.0", "1.0")]
    path = tmp_path / "data"
    path.write_text("\n".join(kept) + "\n")
    prepared = load(example("heart-disease"), path)
    assert prepared.train.n_features == 13
    assert not prepared.train.features[:, FEATURES.index("cp=3")].any()
    typical = prepared.train.features[:, FEATURES.index("cp=2")]
    assert len(np.unique(typical)) == 2
