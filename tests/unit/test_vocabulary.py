"""Words that this project once used for terms of the field stay out of public names and of pages. See
docs/glossary.md.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

from tests.support.every import every
from tooling import po_files

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("platform", "federation", "silo_connector", "demo", "benchmarks", "tooling")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

IN_NAMES = frozenset(
    {"house", "houses", "told", "tell", "tells", "whoever", "anew", "desk", "deed", "deeds", "keeper", "letters"}
    | {"standing", "grounds", "peek", "untake", "parcel", "forgive", "beat", "handed", "sealed", "paper"}
)
"""Organisation, reported, report, who, again, context, event, administrator, e-mails, status, and so on."""
NAMES_ALLOWED = frozenset[str]()
"""`file:name` of public names that may hold one of them, each for a reason."""

IN_MESSAGES = re.compile(
    r"\b(houses?|told|whoever|anew|letters? (?:is|are|with|to)|the record|given up|written down|hand(?:ed|s)? it in)\b",
    re.IGNORECASE,
)
"""Organisation, reported, who, again, e-mail, audit log, abandoned, recorded, uploaded."""
PLACE = re.compile(r"%\(\w+\)s")
IN_GERMAN = re.compile(r"\b(Haus(?:es)?|Häusern?|Aufzeichnung(?:en)?)\b")
MESSAGES_ALLOWED = frozenset[str]()

SENTENCE = re.compile(r"(?<=[.!?:;])\s+")
WORDS_MAX = 20
LONG_ALLOWED = frozenset[str]()


def public_names() -> list[tuple[str, str]]:
    """Modules, and the classes and functions at their top, that do not begin with an underscore."""
    found = []
    for file in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        where = str(file.relative_to(ROOT))
        if "/migrations/" in where:
            continue
        found.append((where, file.stem))
        tops = ast.parse(file.read_text()).body
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found += [(where, top.name) for top in tops if isinstance(top, kinds) and not top.name.startswith("_")]
    return found


def test_public_names_have_the_words_of_the_field() -> None:
    wrong = {
        f"{where}:{name}" for where, name in every(public_names()) if IN_NAMES & {p.lower() for p in PART.findall(name)}
    }
    assert wrong == NAMES_ALLOWED


def test_components_of_the_rest_api_have_the_words_of_the_field() -> None:
    components = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["components"]["schemas"]
    wrong = [name for name in every(components) if IN_NAMES & {part.lower() for part in PART.findall(name)}]
    assert not wrong


def test_messages_of_pages_have_the_words_of_the_field() -> None:
    messages = po_files.read(ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po")
    texts = {text for key in every(messages) for text in ([key] if isinstance(key, str) else key)}
    assert {text for text in texts if IN_MESSAGES.search(PLACE.sub("", text))} == MESSAGES_ALLOWED
    german = [text for message in messages.values() for text in _both(message.string)]
    assert not [text for text in german if IN_GERMAN.search(text)]


def _both(string: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (string or "",) if isinstance(string, str | None) else tuple(string)


def test_sentences_of_pages_are_short() -> None:
    messages = po_files.read(ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po")
    texts = {text for key in every(messages) for text in ([key] if isinstance(key, str) else key)}
    parts = {part for text in texts for part in SENTENCE.split(text)}
    assert {part for part in parts if len(part.split()) > WORDS_MAX} == LONG_ALLOWED
