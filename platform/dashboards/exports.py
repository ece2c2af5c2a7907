"""Figures to take away: cells that no spreadsheet runs, files with a plain name."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.text import slugify

_FORMULA = "=+-@\t\r"


def cell(value: object) -> object:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    text = value.isoformat() if hasattr(value, "isoformat") else value
    return f"'{text}" if isinstance(text, str) and text[:1] in _FORMULA and text else text


def plain(value: object) -> str:
    """What JSON has no word for, as a text."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def attachment(text: str, content_type: str, name: str, ending: str) -> HttpResponse:
    """A file to keep, named after what it tells of."""
    headers = {"Content-Disposition": f'attachment; filename="{slugify(name)[:80] or "figures"}.{ending}"'}
    return HttpResponse(text, content_type=content_type, headers=headers)
