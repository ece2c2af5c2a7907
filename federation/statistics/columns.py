"""Which columns of a dataset statistics can be asked of, and how each is cut into cells: as its silo declares it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from federation.protocol.dataset_columns import ColumnType, Label
from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues, Rename
from federation.protocol.dataset_steps import Step
from federation.protocol.datasets import DatasetDeclaration


@dataclass(frozen=True)
class ColumnShape:
    """A column by its common name, and its cells: levels, or bins between edges, or all values together."""

    name: str
    type: ColumnType
    levels: tuple[Label, ...] | None = None
    unit: str | None = None
    edges: tuple[float, ...] | None = None

    @property
    def has_moments(self) -> bool:
        """Whether it has a mean: it holds numbers that are no codes of categories."""
        return self.type in ("number", "integer") and self.levels is None

    @property
    def cells(self) -> int:
        """How many cells its present values fall into: a level each; below, between and above the edges; or one."""
        if self.levels is not None:
            return len(self.levels)
        return 1 if self.edges is None else len(self.edges) + 1


@dataclass(frozen=True)
class Disagreement:
    """A column that silos have cut in different ways, so that their counts can't be added up."""

    column: str
    silos: tuple[str, ...]
    """Those that differ from the first one that has it, in their order, and before them that first one."""


def columns_of(declaration: DatasetDeclaration) -> dict[str, ColumnShape]:
    """The columns of a declaration that statistics can be asked of, by their common names, in declared order.

    Columns are meant as they are after the silo's own steps (``rename``, ``map_values``) and before all others: nothing
    is imputed, clipped or left out yet. A column whose values are mapped after they were changed has no such state, and
    is not among them; nor are dropped columns, which nobody reads.
    """
    edges = {column.name: column.histogram_edges for column in declaration.columns}
    found: dict[str, ColumnShape] = {}
    for column in declaration.trace.columns:
        if _is_mapped_late(column.name, declaration.steps):
            continue
        cut = edges[column.raw] if column.type in ("number", "integer") and column.levels is None else None
        found[column.name] = ColumnShape(column.name, column.type, column.levels, column.unit, cut)
    return found


def disagreements(columns: Iterable[str], silos: Sequence[tuple[str, Mapping[str, ColumnShape]]]) -> list[Disagreement]:
    """The columns that can't be pooled, with the names of the silos that cut them differently; `silos` in order."""
    found: list[Disagreement] = []
    for column in columns:
        cut = [(silo, shapes[column]) for silo, shapes in silos if column in shapes]
        if cut and (others := [silo for silo, shape in cut if shape != cut[0][1]]):
            found.append(Disagreement(column, (cut[0][0], *others)))
    return found


def _is_mapped_late(name: str, steps: Sequence[Step]) -> bool:
    """Whether a column is mapped after it was imputed, clipped or logged; `name` is its last one."""
    is_changed = False
    for step in _backwards(name, steps):
        if isinstance(step, MapValues):
            is_changed = True
        elif is_changed:
            return True
    return False


def _backwards(name: str, steps: Sequence[Step]) -> Iterable[Step]:
    """The steps that change one column's values, the last first, whatever it was called by then."""
    for step in reversed(steps):
        if isinstance(step, Rename):
            name = next((one.column for one in step.renames if one.to == name), name)
        elif isinstance(step, MapValues | Impute | Clip | Log) and name in step.columns:
            yield step
