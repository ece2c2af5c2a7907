"""Small tasks to learn, made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.learning.backend import Begin, local_backend_factory
from federation.learning.data import ArrayData
from federation.learning.family import Family, ModelSpecification
from federation.learning.models import parse_model
from federation.learning.weights import write_weights
from federation.protocol.tensors import Layout
from federation.targets import Target, target_of


def blobs(rows: int, n_features: int = 4, n_classes: int = 2, seed: int = 0) -> ArrayData:
    """Clouds of points around one centre a class."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, n_classes, rows)
    centres = np.random.default_rng(99).standard_normal((n_classes, n_features)) * 1.5
    features = centres[target] + generator.standard_normal((rows, n_features))
    return ArrayData(features.astype(np.float32), target.astype(np.int64), target_of(None, n_classes))


@dataclass(frozen=True)
class Start:
    """A model at its start, in a file."""

    path: Path
    layout: Layout
    family: Family
    spec: ModelSpecification

    @property
    def begin(self) -> Begin:
        """What computes it."""
        return local_backend_factory(self.family, self.spec)


def make_start(
    folder: Path,
    data: dict[str, Any],
    n_features: int = 4,
    n_classes: int = 2,
    seed: int = 1,
    target: Target | None = None,
) -> Start:
    """Write the first model of a job."""
    family, spec = parse_model(data)
    target = target or target_of(None, n_classes)
    layout = family.layout(spec, n_features, target)
    path = folder / f"start-{family.name}"
    write_weights(path, layout, family.initial(spec, n_features, target, seed))
    return Start(path, layout, family, spec)


@pytest.fixture
def logistic(tmp_path: Path) -> Start:
    """Logistic regression on four features."""
    return make_start(tmp_path, {"family": "logistic"})
