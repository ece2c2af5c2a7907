"""A language as gettext keeps it: `.po` for people, `.mo` for machines. Reads and writes what we use of both."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

HEADER = """Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
Language: {language}
Plural-Forms: {plural}
"""
PLURAL = "nplurals=2; plural=(n != 1);"
_MAGIC = 0x950412DE
_LINE = re.compile(r'(msgid|msgid_plural|msgstr(?:\[\d\])?) (".*")|(".*")')


@dataclass(frozen=True)
class Message:
    """What is translated: one text, or two where a number decides."""

    text: str
    plural: str = ""


Catalogue = dict[Message, tuple[str, ...]]


def read(path: Path) -> Catalogue:
    """The messages of a `.po` file with their translations; an empty one is missing. Fuzzy entries are not read."""
    found: Catalogue = {}
    for block in path.read_text().split("\n\n") if path.exists() else ():
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#, fuzzy"):
                break
            if match := _LINE.fullmatch(line.strip()):
                name = match[1] or name
                fields[name] = fields.get(name, "") + ast.literal_eval(match[2] or match[3])
        else:
            if fields.get("msgid"):
                told = tuple(text for name, text in fields.items() if name.startswith("msgstr"))
                found[Message(fields["msgid"], fields.get("msgid_plural", ""))] = told
    return found


def write(path: Path, messages: Iterable[Message], known: Mapping[Message, tuple[str, ...]], plural: str) -> None:
    """The `.po` file of these messages, with what is known of them; the rest is left for somebody to translate."""
    header = HEADER.format(language=path.parent.parent.name, plural=plural)
    blocks = ['msgid ""\nmsgstr ""\n' + "\n".join(_quoted(line + "\n") for line in header.splitlines())]
    for message in messages:
        told = known.get(message) or ("",) * (2 if message.plural else 1)
        lines = [f"msgid {_quoted(message.text)}"]
        if message.plural:
            lines.append(f"msgid_plural {_quoted(message.plural)}")
            lines += [f"msgstr[{place}] {_quoted(text)}" for place, text in enumerate(told)]
        else:
            lines.append(f"msgstr {_quoted(told[0])}")
        blocks.append("\n".join(lines))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(blocks) + "\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def compiled(language: str, catalogue: Catalogue, plural: str) -> bytes:
    """The `.mo` file: gettext's table, sorted, without its hash table, which may be left out."""
    texts = {"": HEADER.format(language=language, plural=plural)}
    for message, told in catalogue.items():
        if all(told):
            texts["\0".join(filter(None, (message.text, message.plural)))] = "\0".join(told)
    pairs = [(key.encode(), texts[key].encode()) for key in sorted(texts, key=str.encode)]
    start = 28
    offset = start + 16 * len(pairs)
    tables, data = [b"", b""], b""
    for side in (0, 1):
        for pair in pairs:
            tables[side] += struct.pack("<II", len(pair[side]), offset + len(data))
            data += pair[side] + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, len(pairs), start, start + 8 * len(pairs), 0, offset)
    return head + tables[0] + tables[1] + data


def missing(messages: Iterable[Message], known: Mapping[Message, tuple[str, ...]]) -> list[Message]:
    """Those without a whole translation, or with one that names other values than the text does."""
    return [one for one in messages if not (known.get(one) and all(known[one])) or not _names_alike(one, known[one])]


def _names_alike(message: Message, told: tuple[str, ...]) -> bool:
    names = re.compile(r"%\((\w+)\)s")
    wanted = set(names.findall(message.text + message.plural))
    return set(names.findall(told[-1])) == wanted
