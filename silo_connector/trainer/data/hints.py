"""What to do about a value that is not as declared, as far as its looks show."""

from __future__ import annotations

import json
import re

from federation.protocol.datasets import DatasetDeclaration

_DECIMAL = re.compile(r"[+-]?[0-9]+[.,][0-9]+")
_IN_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}([.,' \u00a0\u202f][0-9]{3})+([.,][0-9]+)?")
_WORD_LENGTH_MAX = 60
"""What is longer is no word for a missing value."""
_CONTROL_CHARACTERS = re.compile(r"[\u0080-\u009f]")
_ENCODINGS = {
    "utf-8": ("windows-1252", "latin-1"),
    "windows-1252": ("utf-8", "latin-1"),
    "latin-1": ("windows-1252", "utf-8"),
}


def about_number(text: str, declaration: DatasetDeclaration) -> str:
    """What a text that is no number may be: a decimal or thousands mark, or a word for a missing value."""
    other = "," if declaration.decimal == "." else "."
    is_in_thousands = _IN_THOUSANDS.fullmatch(text) is not None
    if _DECIMAL.fullmatch(text) and other in text:
        warning = "; marks of thousands are not read" if is_in_thousands else ""
        return f' (is the decimal mark "{other}"? then say decimal = "{other}"{warning})'
    if is_in_thousands:
        return f' (marks of thousands are not read: export without them, with "{declaration.decimal}" for decimals)'
    if len(text) <= _WORD_LENGTH_MAX and not any(character.isdigit() for character in text):
        quoted = json.dumps(text, ensure_ascii=False)
        return f" (does it stand for a missing value? then name it in missing: {quoted})"
    return ""


def about_encoding(data: bytes, declaration: DatasetDeclaration) -> str:
    """Which encoding a file may have that is not in the declared one."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "It begins as UTF-16 does, which is not read: save it as UTF-8."
    first, second = _ENCODINGS[declaration.encoding]
    return f'Say encoding = "{first}" (or "{second}") if that is the file\'s, or save it as UTF-8.'


def about_names(names: list[str], declaration: DatasetDeclaration) -> str:
    """That latin-1 reads what windows-1252 has for letters (the euro's sign among them) as control characters."""
    if declaration.encoding == "latin-1" and any(_CONTROL_CHARACTERS.search(name) for name in names):
        return ' Is the file\'s encoding "windows-1252"?'
    return ""
