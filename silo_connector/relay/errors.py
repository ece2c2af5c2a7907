"""How talking to the platform can fail: for now, or for good."""

from __future__ import annotations

from federation.errors import FederationError, Transient


class Unreachable(Transient):
    """No answer, or one that says to come again (5xx, 429)."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class AnswerTooLarge(Unreachable):
    """An answer has more bytes than we are willing to read."""


class Declined(FederationError):
    """The platform says no (4xx), and will say so again."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


class OffsetConflict(Declined):
    """The platform has kept another number of an upload's bytes than we thought."""

    def __init__(self, offset: int) -> None:
        super().__init__(409, "upload.offset", f"The platform has kept {offset} bytes.")
        self.offset = offset
