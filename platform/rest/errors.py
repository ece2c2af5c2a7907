"""The errors that a door turns into a problem detail: each knows its HTTP status, and carries a stable code.

Plain Python, so that actions and workers may raise them as well; `rest.problems` renders them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.utils.translation import gettext_noop as _

from federation.errors import FederationError, Fields

CHANGED_MEANWHILE = _(
    "Somebody else has changed this since you opened it. Compare with what it says now, then save again."
)


class Problem(FederationError):
    """Something that anyone who asked must be informed of, with the HTTP status that says it."""

    status: ClassVar[int] = 400

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        *,
        fields: Fields | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, field, fields=fields)
        self.headers: dict[str, str] = dict(headers or {})


class BadRequest(Problem):
    """What was sent can't be read at all."""

    status = 400


class Unauthenticated(Problem):
    """We don't know who asks, or don't believe it."""

    status = 401


class Forbidden(Problem):
    """We know who asks, and they may not."""

    status = 403


class NotFound(Problem):
    """There is no such thing, or none that the one who asks may know of: the two get the same answer."""

    status = 404

    @classmethod
    def of(cls, noun: str) -> NotFound:
        """The not-found of a kind of thing; always the same, so that it reveals nothing."""
        return cls(f"{noun.replace(' ', '_')}.not_found", f"There is no such {noun}.")


class Conflict(Problem):
    """The request is fine, the state of the thing is not."""

    status = 409


class Gone(Problem):
    """It was there and is no longer."""

    status = 410


class PreconditionFailed(Problem):
    """What was asked for on condition that nobody has changed it, and somebody has."""

    status = 412


class TooLarge(Problem):
    """More bytes than we take."""

    status = 413


class Unprocessable(Problem):
    """Readable, and wrong."""

    status = 422


class TooMany(Problem):
    """Too often; `Retry-After` says when again."""

    status = 429


class Unavailable(Problem):
    """Not now; `Retry-After` says when again."""

    status = 503
