"""Reading JSON from strangers."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import IO, Any

from rest_framework.parsers import JSONParser

from federation.errors import Invalid
from federation.validation.encodings import DEPTH_MAX, check_plain
from rest.errors import BadRequest


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
        try:
            check_plain(parsed, integer_bits_max=inf)  # serializers bound each, and name its field
        except Invalid as error:
            raise BadRequest(error.code.replace("json.", "request.", 1), error.message) from None
        return parsed
