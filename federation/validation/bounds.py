"""The bounds of what documents hold: every number, date, text and name has one, and it stands here.

They are wide enough for whatever is honest and narrow enough that sums, differences, formats and SQL columns of what
passes never overflow: moments stay 800 years clear of the end of the calendar, durations within the life of an order.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from federation.errors import Invalid
from federation.validation.encodings import check_plain

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DURATION_S_MAX = 31 * 86400.0
"""No order lives longer, so nothing that one takes does."""
FINITE_MAX = 1e30
"""Of a loss or a bound: their squares and sums stay finite in float64."""
ROWS_MAX = 10**10
NUMBER_MAX = 2**53
OBJECT_ITEMS_MAX = 2000
OBJECT_DEPTH_MAX = 8
OBJECT_TEXT_MAX = 4000
_UNSEEN = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks of direction (Unicode UAX 9). Joiners, which names of some languages need, are none of them."""


def _within_calendar(moment: datetime) -> datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError(f"This has to be a moment between {_FIRST.year} and {_LAST.year}.")
    return moment


def _within_days(day: date) -> date:
    if not FIRST_DAY <= day < LAST_DAY:
        raise ValueError(f"This has to be a day between {FIRST_DAY.year} and {LAST_DAY.year}.")
    return day


def is_one_line(text: str) -> bool:
    """Whether a name is one line of characters that are seen: no control, no line break, no mark of direction."""
    return not any(unicodedata.category(one) in _UNSEEN or one in _DIRECTIONS for one in text)


def _one_line(text: str) -> str:
    if not is_one_line(text):
        raise ValueError("A name is one line, without control characters or marks of direction.")
    return text


def _plain_text(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in "\n\r\t" for character in text):
        raise ValueError("A text has no control characters but line breaks and tabs.")
    return text


def _plain_object(value: dict[str, Any]) -> dict[str, Any]:
    """Hold an object whose members are not known here to bounds of their own."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    count = 0
    try:
        check_plain(value)
    except Invalid as error:
        raise ValueError(error.message) from error
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > OBJECT_DEPTH_MAX or count > OBJECT_ITEMS_MAX:
            raise ValueError(f"This has more than {OBJECT_ITEMS_MAX} parts, or more than {OBJECT_DEPTH_MAX} levels.")
        if isinstance(item, str) and len(item) > OBJECT_TEXT_MAX:
            raise ValueError(f"A text in it is longer than {OBJECT_TEXT_MAX} characters.")
        if isinstance(item, int) and abs(item) > NUMBER_MAX:
            raise ValueError("A number in it is too large.")
        if isinstance(item, float) and abs(item) > FINITE_MAX:
            raise ValueError("A number in it is too large.")
        if isinstance(item, dict):
            waiting.extend((name, depth + 1) for name in item)
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list | tuple):
            waiting.extend((inner, depth + 1) for inner in item)
    return value


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_within_calendar)]
"""A moment with its zone, from 2000 to 2199."""
Day = Annotated[date, AfterValidator(_within_days)]
"""A day, from 2000 to 2199."""
Seconds = Annotated[float, Field(ge=0, le=DURATION_S_MAX, allow_inf_nan=False)]
"""A duration, at most the life of an order."""
Finite = Annotated[float, Field(ge=-FINITE_MAX, le=FINITE_MAX, allow_inf_nan=False)]
Norm = Annotated[float, Field(ge=0, le=FINITE_MAX, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=NUMBER_MAX)]
"""What is counted and never summed over many: numbers of orders, seeds, sizes in bytes."""
Rows = Annotated[int, Field(ge=0, le=ROWS_MAX)]
"""Rows, steps and cells: sums over ten thousand silos stay within 64 bits."""
Text = Annotated[str, Field(max_length=4000), AfterValidator(_plain_text)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
PlainObject = Annotated[dict[str, Any], Field(max_length=200), AfterValidator(_plain_object)]
"""An object whose members another part of the code knows: settings of a model, a strategy, a capability."""
