"""Figures to take away: cells that no spreadsheet runs, files with a plain name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.text import slugify

from realtime import database

_FORMULA = "=+-@\t\r"


def cell(value: object) -> object:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    text = value.isoformat() if hasattr(value, "isoformat") else value
    return f"'{text}" if isinstance(text, str) and text[:1] in _FORMULA and text else text


def plain(value: object) -> str:
    """What JSON has no word for, as a text."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def attachment(text: str, content_type: str, name: str, ending: str) -> HttpResponse:
    """A file to keep, named after what it reports."""
    return HttpResponse(text, content_type=content_type, headers=_named(name, ending))


class StreamedText(StreamingHttpResponse):
    """The same in parts, each made when the one before has gone out: neither the whole file nor a connection to the
    database is held while it is sent."""

    def __init__(self, parts: Iterable[Callable[[], str]], content_type: str, name: str, ending: str) -> None:
        self._parts = iter(parts)
        super().__init__(self._made(), content_type=content_type, headers=_named(name, ending))

    def _made(self) -> Iterator[str]:
        for make in self._parts:
            yield make()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What a server that is asynchronous asks for; Django itself would make all of it first."""
        for make in self._parts:
            yield self.make_bytes(await database.run_in_db_thread(make))


def _named(name: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{slugify(name)[:80] or "figures"}.{ending}"'}
