"""A loop of asserts that is known to have run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def every(things: Iterable[T]) -> Iterator[T]:
    """These, of which there must be one: `for thing in every(found): assert …` fails where nothing was found."""
    some = False
    for thing in things:
        some = True
        yield thing
    assert some, "there was nothing to loop over: this loop has asserted nothing"
