"""Sentences that were kept in English with names and numbers in them, said anew in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from django.utils.translation import gettext

from federation.validation import EMPTY, PLAIN

FAULTS = (EMPTY, *dict.fromkeys(re.sub(r"\{(\w+)\}", r"%(\1)s", said) for said in PLAIN.values()))
"""What may be wrong with a field, as `federation.validation` says it, its bounds left open."""


def said_anew(forms: Iterable[str], text: str) -> str | None:
    """The text in the reader's language, where it has one of these forms (`Paused by %(who)s.`) and that language one.

    None where no form fits, or where the reader's language has no words of its own for it.
    """
    for form in forms:
        translated = gettext(form)
        if translated != form and (found := _pattern(form).fullmatch(text)):
            return translated % found.groupdict()
    return None


@cache
def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", form)
    return re.compile(
        "".join(f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)), re.DOTALL
    )
