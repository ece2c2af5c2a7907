"""Fields of the forms about terms: lists typed line by line, numbers as people write them, moments in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from agreements.explanations import TERMS
from agreements.people import Account, Accounts, typed_in
from rest.names import typed_lines

_SEPARATORS = re.compile(r"[\n,;]+")
_MOMENT = "%Y-%m-%dT%H:%M"


def as_before(chosen: Iterable[str], before: Iterable[str]) -> list[str]:
    """What was chosen, each once, in the order in which it stood before: another order alone is no change of terms."""
    now, was = dict.fromkeys(chosen), dict.fromkeys(before)
    return [one for one in was if one in now] + [one for one in now if one not in was]


class LinesField(forms.CharField):
    """Several texts, one a line or with commas between them."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """A list as lines; what was typed as it was typed."""
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        """The texts, each once."""
        text = super().to_python(value) or ""
        return list(dict.fromkeys(typed_lines(_SEPARATORS.split(text))))


class AccountsField(LinesField):
    """People by the e-mail address with which they sign in, or the id of their account, which is what is kept."""

    def __init__(self, *, accounts: Accounts, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._accounts = accounts

    def prepare_value(self, value: Any) -> Any:
        """Ids with the names of their people; what was typed as it was typed."""
        if not isinstance(value, list | tuple):
            return value
        return "\n".join(self._accounts.named.get(one, Account(one)).shown for one in value)

    def to_python(self, value: Any) -> Any:
        """The ids, each once. Raises ValidationError with whom nobody here is known by."""
        ids, unknown = self._accounts.ids_of(typed_in(str(value or "")))
        if unknown:
            words = _("Nobody who takes part in this consortium has this address or id: %(unknown)s")
            raise forms.ValidationError(words % {"unknown": ", ".join(unknown)}, code="unknown")
        return ids


class UtcDateTimeField(forms.DateTimeField):
    """A moment, typed and shown in UTC whatever the reader's zone: it stands so in what is signed."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)

    def prepare_value(self, value: Any) -> Any:
        """As the browser's own field takes it."""
        if isinstance(value, str) and (found := _read(value)) is not None:
            return found.strftime(_MOMENT)
        return value

    def to_python(self, value: Any) -> Any:
        """The moment as documents write it. Raises ValidationError."""
        if not value:
            return None
        found = _read(str(value))
        if found is None:
            raise forms.ValidationError(_("A date and a time, such as 2027-01-31T12:00."), code="invalid")
        return found.isoformat().replace("+00:00", "Z")


def _read(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def labelled(name: str, **more: Any) -> dict[str, Any]:
    """Label and help of a term, and that the form itself requires nothing: what is missing is shown with the rest."""
    term = TERMS[name]
    return {"label": _(term.label), "help_text": _(term.help), "required": False, **more}


def number(name: str) -> forms.FloatField:
    """Any number."""
    return forms.FloatField(**labelled(name), widget=forms.NumberInput(attrs={"step": "any", "min": 0}))


def whole(name: str, least: int = 0) -> forms.IntegerField:
    """A whole number."""
    return forms.IntegerField(**labelled(name), min_value=least)


def ticked(name: str) -> forms.BooleanField:
    """Yes or no."""
    return forms.BooleanField(**labelled(name))


def several(name: str, choices: list[tuple[str, str]]) -> forms.MultipleChoiceField:
    """Some of these."""
    return forms.MultipleChoiceField(**labelled(name), choices=choices, widget=forms.CheckboxSelectMultiple)


def one_of(name: str, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    """One of these."""
    return forms.ChoiceField(**labelled(name), choices=choices)
