"""Reading what the platform answers, whichever way it came: status, headers, a bounded body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from silo_connector.relay.errors import Declined, OffsetConflict, Unreachable

PROBLEM_BYTES_MAX = 64 << 10
_AGAIN = (408, 425, 429)
_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


def checked(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object of a good answer. Raises Unreachable, Declined or OffsetConflict."""
    if status >= 500 or status in _AGAIN or (status >= 400 and "Retry-After" in headers):
        raise Unreachable("platform.unavailable", f"The platform answered {status}.", retry_after_s(headers))
    if 300 <= status < 400:
        raise Unreachable("platform.redirects", f"The platform answered {status}; redirects are never followed.")
    data = _object(body)
    if status >= 400:
        offset = upload_offset(headers)
        if status == 409 and data.get("code") == "upload.offset" and offset is not None:
            raise OffsetConflict(offset)
        raise Declined(status, _code(data, status), str(data.get("detail") or data.get("title") or "")[:500])
    if data.get("__malformed__"):
        raise Unreachable("platform.malformed", "The platform's answer is no JSON object.")
    return data


def upload_offset(headers: Mapping[str, str]) -> int | None:
    """The number of kept bytes that an answer states."""
    text = headers.get("Upload-Offset", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the platform asks us to wait (a number or a date)."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    moment = http_date(text)
    return None if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())


def http_date(text: str | None) -> datetime | None:
    """The moment that a header names; None for none, and for what can't be read or has no zone."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):  # the last for numbers of many digits
        return None
    return None if moment.tzinfo is None else moment


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {"__malformed__": True}
    return data if isinstance(data, dict) else {"__malformed__": True}


def _code(data: Mapping[str, Any], status: int) -> str:
    code = data.get("code")
    return code if isinstance(code, str) and len(code) <= 80 and _CODE.fullmatch(code) else f"http.status_{status}"
