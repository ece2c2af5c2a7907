"""What changed from one version of an agreement to another, clause by clause and line by line."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from federation.agreements.rendering import Clause, clauses
from federation.protocol.documents import Agreement


@dataclass(frozen=True)
class ChangedClause:
    """A clause before and after: lines that both have, that went, and that came, in their order."""

    id: str
    number: int
    title: str
    lines: tuple[tuple[str, str], ...]
    """Each line with what became of it: ``" "``, ``"-"`` or ``"+"``."""

    @property
    def changed(self) -> bool:
        """Whether anything went or came."""
        return any(mark != " " for mark, _ in self.lines)


def differences(before: Agreement | None, after: Agreement) -> tuple[ChangedClause, ...]:
    """All clauses of the newer version with what changed in each; everything came where there is none before."""
    old = {clause.id: clause.lines for clause in clauses(before)} if before else {}
    return tuple(_of_clause(old.get(clause.id, ()), clause) for clause in clauses(after))


def _of_clause(old: tuple[str, ...], clause: Clause) -> ChangedClause:
    lines: list[tuple[str, str]] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(a=old, b=clause.lines, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [(" ", line) for line in old[i1:i2]]
            continue
        lines += [("-", line) for line in old[i1:i2]]
        lines += [("+", line) for line in clause.lines[j1:j2]]
    return ChangedClause(clause.id, clause.number, clause.title, tuple(lines))
