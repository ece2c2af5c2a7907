"""What terms are called and mean, on the forms about them."""

from __future__ import annotations

from django import template
from django.forms.boundfield import BoundField

from agreements.explanations import about, title
from agreements.forms import TermsForm
from federation.errors import Invalid
from federation.protocol.keys import PublicKey

register = template.Library()


@register.simple_tag
def explained(clause: str) -> str:
    """What a clause is about."""
    return about(clause)


@register.simple_tag
def clause_title(clause: str) -> str:
    """What a clause is called."""
    return title(clause)


@register.filter
def fingerprint(encoded: str) -> str:
    """What two people compare of a key."""
    try:
        return PublicKey.from_encoded(str(encoded)).fingerprint
    except Invalid:
        return "–"


@register.filter
def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


@register.filter
def fields_of(form: TermsForm, clause: str) -> list[BoundField]:
    """The fields of a clause."""
    return form.fields_of(clause)
