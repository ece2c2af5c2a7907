"""The errors that cross a boundary: each carries a stable code that a machine can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Fields = Mapping[str, Sequence[str]]


class FederationError(Exception):
    """Something a person or a peer must be informed of, with a stable dotted code.

    `message` is for anyone who gets it and must be safe to show to them; `field` names the part of the input at fault
    (dotted path, as in ``model.hidden``), when there is one; `fields` has what is wrong with each part, where more than
    one is.
    """

    def __init__(self, code: str, message: str, field: str | None = None, *, fields: Fields | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field
        self.fields: dict[str, list[str]] = {name: list(messages) for name, messages in (fields or {}).items()}
        if field is not None:
            self.fields.setdefault(field, [message])


class Invalid(FederationError):
    """The input is wrong and will stay wrong: trying again does not help."""


class Untrusted(FederationError):
    """A signature, a certificate or a digest does not hold."""


class Transient(FederationError):
    """It failed now and may well succeed later: try again with back-off."""


class Stopped(FederationError):
    """What was under way was called off by its caller: there is no result."""
