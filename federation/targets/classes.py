"""Three classes or more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from federation.errors import Invalid
from federation.targets.classification import ACCURACY, LOSS, Classification

CLASSES_MAX = 100_000


@dataclass(frozen=True)
class Classes(Classification):
    """A class of several, which have no order. A model has one output a class."""

    name = "classes"
    title = "Several classes"
    rank = 20
    metrics = (ACCURACY, LOSS)

    n_classes: int

    @classmethod
    def over(cls, n_classes: int | None) -> Self:
        """Over this many classes."""
        if n_classes is None or not 2 < n_classes <= CLASSES_MAX:
            raise Invalid("target.classes", f"A target of classes has 3 to {CLASSES_MAX} of them.", "target")
        return cls(n_classes)

    @property
    def n_outputs(self) -> int:
        """One a class."""
        return self.n_classes


TARGET = Classes
