"""What somebody changes only as they saw it: `ETag` with what is read, `If-Match` with what is to be changed.

The tag is the digest that pages carry in their forms for the same purpose. Without the header nothing is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rest_framework.request import Request

from rest.errors import CHANGED_MEANWHILE, BadRequest, Conflict, PreconditionFailed

_TAG = r'(?:W/)?"([\x21\x23-\x7e]*)"'  # a proxy that compresses answers makes their tags weak
_TAGS = re.compile(rf"\s*{_TAG}\s*(?:,\s*{_TAG}\s*)*")

Handler = TypeVar("Handler", bound=Callable[..., Any])


def conditional(handler: Handler) -> Handler:
    """Say of a view's method that it reports the tag and, unless it only reads, honours `If-Match`: for the
    document.
    """
    handler.is_conditional = True  # type: ignore[attr-defined]
    return handler


def tag(digest: str) -> dict[str, str]:
    """The header with which an answer says which wording it reports."""
    return {"ETag": f'"{digest}"'}


@contextmanager
def seen_digest_of(request: Request, digest: str) -> Iterator[str | None]:
    """What the asker had before them, by `If-Match`: this digest, or None where they don't say, or say `*`.

    Raises PreconditionFailed `precondition.failed` where it is another one, also where the action within finds that out
    (Conflict `….changed_meanwhile`), and BadRequest `precondition.malformed`.
    """
    seen = digest if _names(request.headers.get("If-Match"), digest) else None
    try:
        yield seen
    except Conflict as error:
        if seen is None or not error.code.endswith(".changed_meanwhile"):
            raise
        raise PreconditionFailed("precondition.failed", CHANGED_MEANWHILE) from error


def _names(header: str | None, digest: str) -> bool:
    """Whether the header asks for exactly this; False where it asks for nothing."""
    if header is None or header.strip() == "*":
        return False
    if not _TAGS.fullmatch(header):
        raise BadRequest(
            "precondition.malformed",
            "If-Match: the ETag as it came, in its double quotes; several with commas between.",
        )
    if digest not in re.findall(_TAG, header):
        raise PreconditionFailed("precondition.failed", CHANGED_MEANWHILE)
    return True
