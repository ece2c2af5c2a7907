"""Text of others on a terminal: nothing in it may move the cursor, hide a line, or turn the reading around."""

from __future__ import annotations

import textwrap
import unicodedata

WIDTH = 100
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text with every character that a terminal would act upon, or not show, written as its number."""
    return "".join(
        character if character == "\n" or unicodedata.category(character) not in _UNSEEN else f"\\u{ord(character):04x}"
        for character in text
    )


def wrapped(text: str, indent: str = "") -> str:
    """One paragraph of somebody's text, whatever line breaks it may hold."""
    lines = textwrap.wrap(
        " ".join(printable(" ".join(text.split())).split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
    )
    return "\n".join(lines)
