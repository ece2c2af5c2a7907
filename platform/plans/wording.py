"""What is wrong with the file of a plan, in the reader's language; the library says it in English."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from rest.pages import in_words
from rest.sentences import said_anew

_COMPOSED = (
    _("The file is no UTF-8 text (byte %(place)s)."),
    _("The file has characters that a reader does not see (%(told)s). Remove them."),
    _("Line %(line)s: this is no Python (%(fault)s)."),
    _("Line %(line)s: %(name)s is defined twice."),
    _("Line %(line)s: it has to be %(written)s."),
    _("The file has more than %(most)s lines: nobody reads as many."),
)
"""Sentences with names and numbers in them (`federation.plans.declaration`, `plans.actions`)."""


def fault_anew(text: str) -> str:
    """What is wrong, said anew."""
    return said_anew(_COMPOSED, text) or in_words(text)
