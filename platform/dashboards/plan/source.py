"""Python source for readers: lines with what each part is, and what differs between two files. Nothing is run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String

CONTEXT = 3
COMPARED_MAX = 4_000_000
"""Pairs of lines; beyond, what lies between the first and the last difference is reported as replaced whole."""
_CLASSES = (
    (Comment, "c"),
    (String.Doc, "c"),
    (String, "s"),
    (Number, "m"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Name.Decorator, "d"),
    (Name.Builtin, "b"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Error, "e"),
)
"""What is set off, by the classes of the style sheet; everything else is plain."""


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them."""
    return text.splitlines()


@lru_cache(maxsize=32)
def highlighted(text: str) -> tuple[SafeString, ...]:
    """Each line as HTML, what has a meaning in a span of its class."""
    lines: list[list[str]] = [[]]
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens("\n".join(lines_of(text))):
        name = _class_of(kind)
        for place, part in enumerate(value.split("\n")):
            if place:
                lines.append([])
            if part:
                reported = conditional_escape(part)
                lines[-1].append(f'<span class="{name}">{reported}</span>' if name else reported)
    return tuple(mark_safe("".join(parts)) for parts in lines)  # noqa: S308 - every part is escaped above


def _class_of(kind: object) -> str:
    return next((name for whole, name in _CLASSES if kind in whole), "")


@dataclass(frozen=True)
class DiffRow:
    """A line of the difference: gone (-), come (+) or kept, with its numbers; or a gap of lines left out."""

    mark: str
    before: int | None
    after: int | None
    html: SafeString

    @property
    def is_gap(self) -> bool:
        """Whether lines were left out here."""
        return self.mark == "@"


def differences(before: str, after: str) -> list[DiffRow]:
    """The lines that differ, each with a few around it; none where the two are the same."""
    old, new = lines_of(before), lines_of(after)
    old_html, new_html = highlighted(before), highlighted(after)
    rows: list[DiffRow] = []
    for group in _groups(old, new):
        if group[0][1] or group[0][3] or rows:
            rows.append(DiffRow("@", None, None, SafeString("")))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                rows += [
                    DiffRow(" ", i + 1, j + 1, new_html[j]) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
                ]
                continue
            rows += [DiffRow("-", i + 1, None, old_html[i]) for i in range(i1, i2)]
            rows += [DiffRow("+", None, j + 1, new_html[j]) for j in range(j1, j2)]
    return rows


_Group = list[tuple[str, int, int, int, int]]


def _groups(old: Sequence[str], new: Sequence[str]) -> Iterator[_Group]:
    """The runs of lines that differ, with what is around them."""
    begin = 0
    while begin < min(len(old), len(new)) and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    n_old, n_new = len(old) - begin - end, len(new) - begin - end
    if n_old * n_new <= COMPARED_MAX:
        yield from SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT)
        return
    first, last = max(0, begin - CONTEXT), min(end, CONTEXT)
    yield [
        ("equal", first, begin, first, begin),
        ("replace", begin, begin + n_old, begin, begin + n_new),
        ("equal", begin + n_old, begin + n_old + last, begin + n_new, begin + n_new + last),
    ]
