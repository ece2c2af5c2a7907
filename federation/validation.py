"""From pydantic's report to one refusal that a person can act on."""

from __future__ import annotations

from pydantic import ValidationError

from federation.errors import Invalid


def refusal(error: ValidationError, code: str, within: str | None = None) -> Invalid:
    """The first thing that is wrong, as Invalid with this code; its field is a dotted path, under `within` if given.

    The value that was refused is never part of it.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = [within] if within else []
    path += [str(part) for part in first["loc"]]
    return Invalid(code, first["msg"].removeprefix("Value error, "), ".".join(path) or None)
