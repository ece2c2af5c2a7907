"""Words that this project once used for terms of the field stay out of names, comments, documents and pages. See
docs/glossary.md.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

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

IN_FIELDS = frozenset(
    {"stands", "below", "counted", "called_back", "words", "advice", "settled_at", "not_pooled_because", "retired_code"}
    | {"last_refused", "is_proved", "factor_shown", "needed", "named", "now", "told", "said", "kept"}
)
"""Properties and parameters of the REST API: `is_current`, `below_quorum`, `remedy`, `ended_at`, and so on."""
IN_CODES = re.compile(r"\b(?:called_back|taken_back|given_up|anew|told|away|unproved|not_theirs|sealed_otherwise)\b")
CODES_ALLOWED = frozenset({"order.called_back", "agreement.taken_back"})
"""Verbs of events that are in audit logs already."""

IN_COMMENTS = re.compile(
    r"\b(told|tells?|whoever|anew|houses?|keepers?|deeds?|desks?|handed|given up|written down|judge[sd]?)\b",
    re.IGNORECASE,
)
"""Reported, informed, anyone who, again, organisation, operator, event, context, delivered, abandoned, recorded."""
COMMENTS_ALLOWED = frozenset[str]()
"""`file: line` of comments, docstrings and documents that may have one of them, each for a reason."""
QUOTED = re.compile(r"`[^`]*`")
IN_IDENTIFIERS = frozenset(
    {"told", "tell", "tells", "house", "houses", "standing", "desk", "seat", "seats", "handed", "anew", "deed", "deeds"}
)
"""Parts of variables, parameters, attributes and functions; `said` is left to tests of what a process wrote."""
IDENTIFIERS_ALLOWED = frozenset(
    {
        "silo_connector/trainer/egress/filter.py:tell",  # of a file
        "tests/unit/silo_connector/test_full_disk.py:tell",
    }
)
"""`file:name` of those that stay, each for a reason."""

SENTENCE = re.compile(r"(?<=[.!?:;])\s+")
WORDS_MAX = 20
LONG_ALLOWED = frozenset[str]()


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def public_names() -> list[tuple[str, str]]:
    """Modules, and the classes and functions at their top, that do not begin with an underscore."""
    found = []
    for file in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        where = str(file.relative_to(ROOT))
        if "/migrations/" in where:
            continue
        found.append((where, file.stem))
        tops = parsed(file).body
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


def test_properties_and_parameters_of_the_rest_api_have_the_words_of_the_field() -> None:
    document = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    names = {name for schema in every(_objects(document)) for name in schema.get("properties", ()) if schema}
    names |= {one["name"] for one in _objects(document) if "in" in one and "name" in one}
    assert len(names) > 300
    assert not names & IN_FIELDS


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(one)


CODE = re.compile(r"\"([a-z_0-9]+(?:\.[a-z_0-9]+)+)\"")


def test_codes_and_verbs_have_the_words_of_the_field() -> None:
    found = {code for file in _sources(PRODUCT) for code in CODE.findall(file.read_text())}
    assert len(found) > 300
    assert {code for code in found if IN_CODES.search(code.replace(".", " "))} == CODES_ALLOWED


def _sources(folders: tuple[str, ...]) -> list[Path]:
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return [file for file in files if "migrations" not in file.parts and file != Path(__file__)]


def comments_of(text: str) -> Iterator[str]:
    """The lines of comments and docstrings."""
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        begins = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and begins):
            yield from token.string.splitlines()
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = token.type


def wrong_in(lines: Iterator[str]) -> list[str]:
    return [line.strip() for line in lines if IN_COMMENTS.search(QUOTED.sub("", line))]


def test_comments_and_docstrings_have_the_words_of_the_field() -> None:
    files = _sources((*PRODUCT, "tests"))
    wrong = {
        f"{file.relative_to(ROOT)}: {line}" for file in every(files) for line in wrong_in(comments_of(file.read_text()))
    }
    assert wrong == COMMENTS_ALLOWED


def test_documents_have_the_words_of_the_field() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    wrong = {
        f"{file.relative_to(ROOT)}: {line}"
        for file in every(files)
        if file.name != "CHANGELOG.md"
        for line in wrong_in(iter(file.read_text().splitlines()))
    }
    assert not wrong


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def test_identifiers_have_the_words_of_the_field() -> None:
    wrong = {
        f"{file.relative_to(ROOT)}:{name}"
        for file in every(_sources((*PRODUCT, "tests")))
        for name in identifiers(parsed(file))
        if IN_IDENTIFIERS & {part.lower() for part in PART.findall(name)}
    }
    assert wrong == IDENTIFIERS_ALLOWED


NAME_OF_ADDRESS = re.compile(r"""name=["']([a-z0-9-]+)["']""")


def test_names_of_addresses_have_the_words_of_the_field() -> None:
    files = [*(ROOT / "platform").rglob("urls.py"), *(ROOT / "platform").rglob("endpoints.py")]
    names = {name for file in files for name in NAME_OF_ADDRESS.findall(file.read_text())}
    assert len(names) > 100
    assert not {name for name in names if (IN_IDENTIFIERS | {"paper", "hand", "letter"}) & set(name.split("-"))}
