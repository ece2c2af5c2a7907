"""What a reader does not see of a text, or sees elsewhere: controls, marks of direction, blank letters."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that are drawn as nothing; some of them may even stand in a name."""


def is_hidden(character: str) -> bool:
    """Whether a reader would not see it, or see it elsewhere; a space, a tab and the end of a line are seen."""
    if character in " \n\t":
        return False
    return unicodedata.category(character) in _UNSEEN or character in _BLANKS or _is_selector(character)


def is_plain_line(text: str) -> bool:
    """Whether all of a text is seen, on one line."""
    return not any(is_hidden(character) or character in "\n\t" for character in text)


def _is_selector(character: str) -> bool:
    return 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
