"""What is wrong with a silo's data."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import FederationError


class DataError(FederationError):
    """The data are not as declared. Only `code` may go to the platform: `message` names file, line, column and value.

    `more` is what else was found wrong in the same reading.
    """

    def __init__(self, code: str, message: str, more: Sequence[DataError] = ()) -> None:
        super().__init__(code, message)
        self.more = tuple(more)


def raise_all(errors: Sequence[DataError]) -> None:
    """Raise the first of these with the others in it; nothing where there is none."""
    if errors:
        first, *others = [inner for error in errors for inner in (error, *error.more)]
        raise DataError(first.code, first.message, others)
