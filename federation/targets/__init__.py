"""What models are asked for: one module each, found by looking. To add one, add a file with a ``TARGET``.

No numpy is loaded until figures are asked for, and no torch until a loss is: the relay reads this package too. And no
pydantic ever: so does the runner.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.discovery import Offers
from federation.errors import Invalid
from federation.targets.base import Better, Counts, Figure, Figures, Measured, Metric, Target

__all__ = [
    "TARGETS",
    "Better",
    "Counts",
    "Figure",
    "Figures",
    "Measured",
    "Metric",
    "Target",
    "all_metrics",
    "figure_names",
    "figures_called",
    "target_of",
]

TARGETS: Mapping[str, type[Target]] = Offers(__name__, "TARGET", sort_key=lambda target: (target.rank, target.name))


def target_of(name: str | None, n_classes: int | None) -> Target:
    """The target of this name, over so many classes (None where it has none).

    Where documents name no target, as those of protocol 1.0, it follows from the number of classes. Raises Invalid
    ``target.unknown``, and ``target.classes`` where the number does not belong to the target.
    """
    found = TARGETS.get(name if name is not None else "binary" if n_classes == 2 else "classes")
    if found is None:
        raise Invalid("target.unknown", f"The targets are {', '.join(TARGETS)}.", "target")
    return found.over(n_classes)


def figure_names() -> tuple[str, ...]:
    """All figures that some target has, by the names that agreements and reports have for them."""
    return tuple(dict.fromkeys(name for target in TARGETS.values() for name in target.figure_names()))


def figures_called() -> dict[str, str]:
    """All figures that some target has, each with what an agreement's text calls it."""
    called: dict[str, str] = {}
    for target in TARGETS.values():
        called |= {metric.name: metric.called or metric.name for metric in target.metrics}
        called |= {target.table: target.table_called or target.table} if target.table else {}
    return {name: called[name] for name in figure_names()}


def all_metrics() -> dict[str, Metric]:
    """The metrics of all targets by their names: one name means the same wherever it stands."""
    return {metric.name: metric for target in TARGETS.values() for metric in target.metrics}
