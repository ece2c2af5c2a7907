"""Reading JSON from strangers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser

from rest.errors import BadRequest

DEPTH_MAX = 40


class PlainJSONParser(JSONParser):
    """One JSON object in UTF-8, of which every text can be stored and every number is finite."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object; BadRequest `request.*` where it is none."""
        try:
            parsed: object = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise BadRequest("request.too_deep", f"Nested deeper than {DEPTH_MAX} levels.") from None
        if not isinstance(parsed, dict):
            raise BadRequest("request.not_an_object", "The body must be a JSON object.")
        check_plain(parsed)
        return parsed


def check_plain(value: object) -> None:
    """Raise BadRequest for a NUL or half a surrogate pair in a text, an infinite number, or nesting without end."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise BadRequest("request.too_deep", f"Nested deeper than {DEPTH_MAX} levels.")
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise BadRequest("request.not_finite", "A number is too large.")
        elif isinstance(item, dict):
            waiting.extend((name, depth + 1) for name in item)
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadRequest("request.nul", "A text holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("request.not_unicode", "A text holds half a surrogate pair.") from None
