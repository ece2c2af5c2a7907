"""What is collected for translators, and what gettext reads of it."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from demo.services import ROOT
from tests.support.every import every
from tooling.i18n_extract import KEYWORDS, collected, of_python, of_template
from tooling.management.commands import messages
from tooling.management.commands.messages import Command
from tooling.po_files import missing, mo_bytes, po_bytes, read, translations

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
TAGS = re.compile(r"</?[a-z]+")


@pytest.fixture(scope="module", autouse=True)
def collected_once() -> Iterator[None]:
    """No test changes a source: reading all of them takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "collected", cache(collected))
        yield


def po_of(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


def reported(**options: object) -> str:
    """Run the command; what it says of messages that lack a translation."""
    errors = io.StringIO()
    try:
        call_command(Command(), stderr=errors, **options)
    except CommandError as error:
        return f"{errors.getvalue()}{error}"
    return errors.getvalue()


@pytest.fixture
def elsewhere(tmp_path: Path, settings: object) -> Path:
    """The German files in a folder of their own, where a test may change them."""
    file = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    file.parent.mkdir(parents=True)
    for suffix in (".po", ".mo"):
        file.with_suffix(suffix).write_bytes(po_of("de").with_suffix(suffix).read_bytes())
    settings.LOCALE_PATHS = [tmp_path]  # type: ignore[attr-defined]
    return file


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_whole_and_compiled(language: str) -> None:
    assert reported(check=True) == ""
    assert "fuzzy" not in po_of(language).read_text()
    for message in every(read(po_of(language)).values()):
        text, statement = (one if isinstance(one, str) else (one or [""])[0] for one in (message.id, message.string))
        assert sorted(TAGS.findall(text)) == sorted(TAGS.findall(statement)), message
        assert "%%" not in text or "%%" in statement


def test_writing_again_without_a_change_changes_no_byte(elsewhere: Path) -> None:
    before = {suffix: elsewhere.with_suffix(suffix).read_bytes() for suffix in (".po", ".mo")}
    assert reported() == ""
    assert {suffix: elsewhere.with_suffix(suffix).read_bytes() for suffix in (".po", ".mo")} == before


def test_a_string_that_nobody_translated_fails_the_check_and_is_named(elsewhere: Path) -> None:
    text = elsewhere.read_text()
    elsewhere.write_text(text.replace('msgid "Sign in"\nmsgstr "Anmelden"\n', 'msgid "Sign in"\nmsgstr ""\n'))
    assert elsewhere.read_text() != text
    assert "de: Sign in\n" in reported(check=True)
    assert "run make messages" in reported(check=True)
    assert reported() == "de: Sign in\n", "it is written all the same, and named"
    elsewhere.write_text(text)
    assert "stale" in reported(check=True), "compiled without it"


def test_a_message_that_nothing_says_any_more_fails_the_check_and_goes(elsewhere: Path) -> None:
    elsewhere.write_text(elsewhere.read_text() + '\nmsgid "Nobody says this."\nmsgstr "Das sagt niemand."\n')
    assert "is not whole" in reported(check=True)
    assert reported() == ""
    assert "Nobody says this." not in elsewhere.read_text()
    assert reported(check=True) == ""


def test_gettext_reads_what_is_compiled(tmp_path: Path) -> None:
    file = tmp_path / "django.po"
    jobs = ("%(n)s job", "%(n)s jobs")
    file.write_text(
        'msgid ""\nmsgstr "Language: de\\n"\n\n'
        'msgid "One “line”\\nand another"\nmsgstr "Eine „Zeile“\\nund noch eine"\n\n'
        'msgid "%(n)s job"\nmsgid_plural "%(n)s jobs"\nmsgstr[0] "%(n)s Job"\nmsgstr[1] "%(n)s Jobs"\n'
    )
    made = translations("de", ["One “line”\nand another", jobs, "Nobody has said this"], read(file))
    read_back = GNUTranslations(io.BytesIO(mo_bytes(made)))
    assert read_back.gettext("One “line”\nand another") == "Eine „Zeile“\nund noch eine"
    assert [read_back.ngettext(*jobs, n) for n in (0, 1, 2)] == ["%(n)s Jobs", "%(n)s Job", "%(n)s Jobs"]
    assert read_back.gettext("Nobody has said this") == "Nobody has said this"
    assert missing(made) == ["Nobody has said this"]
    file.write_bytes(po_bytes(made))
    assert po_bytes(translations("de", list(read(file)), read(file))) == po_bytes(made)


def test_a_translation_that_loses_a_value_is_missing(tmp_path: Path) -> None:
    file, key = tmp_path / "django.po", "%(name)s has left"
    for one_report, lacking in (("Jemand ist ausgetreten", [key]), ("%(name)s ist ausgetreten", [])):
        file.write_text(f'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "{key}"\nmsgstr "{one_report}"\n')
        assert missing(translations("de", [key], read(file))) == lacking


def test_everything_that_templates_mark_is_found_in_the_order_of_its_lines() -> None:
    text = """{% load formatting %}{% if a %}{% translate "One" %}{% else %}
        {% include "x.html" with label=_("Two") only %}
        {% endif %}
        {% for b in c %}{% blocktranslate trimmed count n=b.n with name=b.name %}
            {{ name }}: {{ n }} job{% plural %}{{ name }}: {{ n }} jobs{% endblocktranslate %}{% endfor %}
        {{ d|default:_("Three") }}{% translate e.title %}"""
    assert of_template(text) == ["One", "Two", ("%(name)s: %(n)s job", "%(name)s: %(n)s jobs"), "Three"]


def test_everything_that_python_marks_and_what_problems_say_is_found() -> None:
    source = """
label = _("One" " and more")
many = ngettext("%(n)s job", "%(n)s jobs", n)
raise Conflict("job.wrong_state", "It has ended.")
raise NotFound.of("model version")
log.info("not.this", "Nor this.")
raise Invalid("plan.functions", Sentence("Line %(line)s: %(name)s is defined twice.", line=1, name="f"))
"""
    assert of_python(source) == [
        "One and more",
        ("%(n)s job", "%(n)s jobs"),
        "It has ended.",
        "There is no such model version.",
        "Line %(line)s: %(name)s is defined twice.",
    ]
    assert of_python(source, for_machines=True) == [
        "One and more",
        ("%(n)s job", "%(n)s jobs"),
        "Line %(line)s: %(name)s is defined twice.",
    ]


def test_no_mark_in_the_platform_is_missed() -> None:
    found = set(collected(ROOT))
    marks = set()
    for path in (ROOT / "platform").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name in KEYWORDS and isinstance(node.args[0], ast.Constant):
                texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
                marks.add((texts[0], texts[1]) if name.startswith("ngettext") else texts[0])
    assert len(marks) > 500
    assert marks - found == set(), "such as those within an f-string"
