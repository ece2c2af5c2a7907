"""What agreements refuse and what contradicts itself in them, in the reader's language.

The library says it in English, and that is what is signed. Its sentences are in the catalogue of messages as they stand
(`manage.py messages` reads them there), so that a page finds them by themselves.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from federation.agreements.rules import RULES, Violation
from federation.sentences import Sentence
from federation.validation import PLAIN
from rest.pages import in_words

_PATTERN = PLAIN["string_pattern_mismatch"]
_EXAMPLES = {
    "diseases": "ICD-10:I25, ICD-10:I25.1, MONDO:0005010",
    "countries": "DE, CH",
    "digests": f"sha256:{'0123456789abcdef' * 4}",
}
"""What terms look like that have to match a pattern: people read examples, not patterns."""


def meaning_of(refusal: Violation) -> str:
    """What the refusal means, with what was at fault."""
    text = gettext(RULES[refusal.code].meaning)
    return f"{text[:-1]}: {refusal.what}." if refusal.what else text


def remedy_of(refusal: Violation) -> str:
    """What the person who launched the job can do."""
    return gettext(refusal.remedy)


def allowed_by(refusal: Violation) -> str:
    """What the agreement would have allowed, in words; empty where the refusal itself says it."""
    allowed = refusal.allowed
    if allowed is None or not allowed.values:
        return ""
    values = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in allowed.values)
    words = {
        "at_most": gettext("Allowed: at most %(value)s."),
        "at_least": gettext("Allowed: at least %(value)s."),
        "one_of": gettext("Allowed: %(value)s."),
    }
    return words[allowed.kind] % {"value": values}


def violation_text(refusal: Violation) -> str:
    """A refusal in full: what it means, what is allowed instead, and what can be done."""
    return " ".join(part for part in (meaning_of(refusal), allowed_by(refusal), remedy_of(refusal)) if part)


def term_fault(path: str, text: str, statement: Any) -> str:
    """What is wrong with a term; where a text does not look as it has to, which one it is, and an example."""
    *_before, term, place = ("", "", *path.split("."))
    if not isinstance(text, Sentence) or text.form != _PATTERN or not place.isdigit() or term not in _EXAMPLES:
        return in_words(text)
    for part in path.split("."):
        statement = statement[int(part) if isinstance(statement, list | tuple) else part]
    words = gettext("“%(value)s” is not written as it has to be, such as: %(example)s")
    return words % {"value": statement, "example": _EXAMPLES[term]}
