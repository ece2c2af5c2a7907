"""Names are one line: seen as they are, wherever they are shown. Subjects of e-mails, logs and legends rely on it.

A name is in Unicode's normal form C, has no space at its ends and single plain spaces within, and nothing that is not
seen: no control character, no end of a line or paragraph, no mark of direction, no blank letter. Every field of a
model, a form or a request that is a name is one of the fields below; a test looks for those that are not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers

from federation.errors import Invalid
from federation.plans.unicode_safety import is_hidden, is_plain_line

CODE = "name.not_one_line"


def one_line(text: str, field: str | None = None) -> str:
    """The name as it is kept. Raises Invalid ``name.not_one_line`` for what can't be one."""
    name = _spaced(unicodedata.normalize("NFC", text))
    if not is_plain_line(name):
        raise Invalid(CODE, _message(), field)
    return name


def as_one_line(text: str) -> str:
    """The same of any text, made to be a line: what is not seen becomes a space. For subjects, and for old rows."""
    plain = unicodedata.normalize("NFC", text)
    return _spaced("".join(" " if is_hidden(email) or email in "\n\t" else email for email in plain))


def _spaced(text: str) -> str:
    """Spaces of any width become one plain space; ends of lines are no spaces and stay."""
    plain = "".join(" " if unicodedata.category(email) == "Zs" else email for email in text)
    return " ".join(part for part in plain.split(" ") if part)


def _message() -> str:
    return _("A name is one line, without invisible characters. Type it again rather than paste it.")


if TYPE_CHECKING:
    _Column = models.CharField[str, str]
else:  # the class takes no parameters when it runs
    _Column = models.CharField


class NameField(_Column):
    """A column that holds a name. Whatever way a value comes to it, it is made one line or refused."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """On its way to the database, by `save`, `update` and in bulk."""
        return super().get_db_prep_save(one_line(value, self.name) if isinstance(value, str) else value, connection)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The object in hand has it as it is kept."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = one_line(value, self.name)
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        """To migrations it is the column that it always was."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class NameFormField(forms.CharField):
    """A name in a form."""

    def clean(self, value: Any) -> Any:
        """One line, or an error at this field."""
        try:
            return super().clean(one_line(value) if isinstance(value, str) else value)
        except Invalid as error:
            raise forms.ValidationError(error.message, code=error.code) from error


def typed_lines(parts: Iterable[str]) -> list[str]:
    """Several names as they were typed into one field, without the empty ones. Raises ValidationError of forms."""
    try:
        return [name for part in parts if (name := one_line(part.strip()))]
    except Invalid as error:
        raise forms.ValidationError(error.message, code=error.code) from error


class NameInput(serializers.CharField):
    """A name in the body of a request."""

    def to_internal_value(self, data: Any) -> str:
        """One line, or an error at this member."""
        try:
            return one_line(super().to_internal_value(data))
        except Invalid as error:
            raise serializers.ValidationError(error.message, code=error.code) from error
