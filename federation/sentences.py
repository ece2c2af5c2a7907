"""Sentences with names and numbers in them, which anyone who shows them can say in another language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

Params = Mapping[str, str | int | float]


class Sentence(str):
    """An English sentence that still knows its form and what stands in it.

    To everybody it is the text. Who speaks another language translates `form` and puts `params` in.

    Args:
        form: the sentence with named places, such as ``"This has to be at least %(ge)s."``
        params: what stands in the places: names, or numbers as they are to be written.

    Raises:
        KeyError: a place of the form has no parameter.
    """

    form: str
    params: Params

    __slots__ = ("form", "params")

    def __new__(cls, form: str, **params: str | int | float) -> Self:
        """The text, with its form and parameters beside it."""
        made = super().__new__(cls, form % params if params or "%(" in form else form)
        made.form, made.params = form, params
        return made

    def __str__(self) -> str:
        """Itself: `str()` and what calls it would lose the form otherwise."""
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str], Params]:
        """How copies are made."""
        return (self.form,), self.params
