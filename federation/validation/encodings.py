"""Base64 and JSON, read in one way only: two texts that mean the same bytes would be two documents of one content."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable

from federation.errors import Invalid

DEPTH_MAX = 40
INTEGER_BITS_MAX = 64
"""Of any integer: what has hundreds of digits can't even be compared with a float."""
CONTAINERS_MAX = 100_000
"""Objects and lists in one text. Counted before it is parsed: a parser takes a hundred bytes of memory for each."""


def strict_base64(text: str) -> bytes:
    """The bytes of a base64 text (RFC 4648, 4). Raises Invalid ``base64.malformed`` unless it is the canonical one."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("base64.malformed", "This is no base64.") from error
    if base64.b64encode(raw).decode() != text:
        raise Invalid("base64.malformed", "This base64 can be written in another way; only the plain one is read.")
    return raw


def strict_json(data: bytes | str) -> object:
    """The value of a JSON text (RFC 8259), bounded in depth and size.

    Raises Invalid ``json.malformed`` for what is no JSON in UTF-8, a name that stands twice in an object and NaN;
    ``json.too_deep`` beyond DEPTH_MAX levels or CONTAINERS_MAX objects and lists; else what ``check_plain`` raises.
    """
    if isinstance(data, str):
        data = data.encode(errors="surrogatepass")
    if data.count(b"{") + data.count(b"[") > CONTAINERS_MAX:
        raise Invalid("json.too_deep", f"A text may have {CONTAINERS_MAX} objects and lists.")
    try:
        value: object = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise Invalid("json.too_deep", f"Nested deeper than {DEPTH_MAX} levels.") from error
    except ValueError as error:
        raise Invalid("json.malformed", "This is no JSON.") from error
    check_plain(value)
    return value


def check_plain(value: object, *, integer_bits_max: float = INTEGER_BITS_MAX) -> None:
    """Raise Invalid where a JSON value holds what no document may.

    ``json.too_deep``, ``json.not_finite`` (a number, or an integer of more bits), ``json.nul`` and ``json.not_unicode``
    (half a surrogate pair). Who checks each integer by its own field has no need of a bound on all.
    """
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise Invalid("json.too_deep", f"Nested deeper than {DEPTH_MAX} levels.")
        if isinstance(item, str):
            _check_text(item)
        elif (isinstance(item, float) and not math.isfinite(item)) or (
            isinstance(item, int) and item.bit_length() > integer_bits_max
        ):
            raise Invalid("json.not_finite", "A number is too large.")
        elif isinstance(item, dict):
            waiting.extend((name, depth + 1) for name in item)
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Invalid("json.nul", "A text holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("json.not_unicode", "A text holds half a surrogate pair.") from error


def _once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError("a name stands twice")
        found[name] = value
    return found


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number")
