"""A language as gettext keeps it: `.po` for people, `.mo` for machines. Babel reads and writes both."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

Key = str | tuple[str, str]
"""What is translated: one text, or two where a number decides."""
_PLACE = re.compile(r"%\((\w+)\)s")


class Translations(Catalog):
    """A language's messages, in the order in which they were added.

    Its header has no dates and no version of a tool: what is written again without a change is the same to the byte.
    """

    def __init__(self, language: str) -> None:
        super().__init__(locale=language, header_comment="", fuzzy=False)

    def _get_mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Language", str(self.locale_identifier)),
            ("Plural-Forms", f"{self.plural_forms}\n"),
        ]


def read(path: Path) -> dict[Key, Message]:
    """The messages of a `.po` file by what they translate; none where there is no file. Fuzzy entries are left out."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        found = read_po(file, ignore_obsolete=True)
    return {_key(message): message for message in found if message.id and not message.fuzzy}


def translations(language: str, keys: Iterable[Key], known: dict[Key, Message]) -> Translations:
    """These messages with what is known of them; the rest is left for somebody to translate."""
    made = Translations(language)
    for key in keys:
        found = known.get(key)
        made.add(key, found.string if found else None)
    return made


def po_bytes(catalog: Catalog) -> bytes:
    """The `.po` file. Lines are as long as their text, so that a search finds it."""
    file = io.BytesIO()
    write_po(file, catalog, width=0, no_location=True)
    return file.getvalue().lstrip(b"\n")


def mo_bytes(catalog: Catalog) -> bytes:
    """The `.mo` file: gettext's table of what is translated."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def missing(catalog: Catalog) -> list[Key]:
    """The messages without a whole translation, or with one that names other values than the text does."""
    return [_key(message) for message in catalog if message.id and not _is_whole(message)]


def _is_whole(message: Message) -> bool:
    rows = [message.string or ""] if isinstance(message.string, str | None) else [*message.string]
    text = message.id if isinstance(message.id, str) else "".join(message.id)
    return all(rows) and set(_PLACE.findall(rows[-1])) == set(_PLACE.findall(text))


def _key(message: Message) -> Key:
    return message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
