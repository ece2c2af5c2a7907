"""What is collected for translators, and what gettext reads of it."""

from __future__ import annotations

import io
import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.template import Engine

from dashboards.management.catalogue import PLURAL, Catalogue, Message, compiled, missing, read, write
from dashboards.management.marked import of_python, of_template
from tests.support.every import every

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
TAGS = re.compile(r"</?[a-z]+")


def po_of(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_whole_and_compiled(language: str) -> None:
    call_command("messages", check=True)
    text = po_of(language).read_text()
    assert "fuzzy" not in text
    for message, told in every(read(po_of(language)).items()):
        assert all(told), message
        assert sorted(TAGS.findall(message.text)) == sorted(TAGS.findall(told[0])), message
        assert "%%" not in message.text or "%%" in told[0]


def test_a_string_that_nobody_translated_fails_the_check(tmp_path: Path, settings: object) -> None:
    known = read(po_of("de"))
    lacking = {message: told for message, told in known.items() if message.text != "Sign in"}
    settings.LOCALE_PATHS = [tmp_path]  # type: ignore[attr-defined]
    target = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    write(target, lacking, lacking, PLURAL)
    target.with_suffix(".mo").write_bytes(compiled("de", lacking, PLURAL))
    errors = io.StringIO()
    with pytest.raises(CommandError, match="make messages"):
        call_command("messages", check=True, stderr=errors)
    assert "de: Sign in" in errors.getvalue()
    write(target, known, known, PLURAL)
    with pytest.raises(CommandError, match="stale"):
        call_command("messages", check=True)


def test_gettext_reads_what_we_compile() -> None:
    catalogue: Catalogue = {
        Message("One “line”\nand another"): ("Eine „Zeile“\nund noch eine",),
        Message("%(n)s job", "%(n)s jobs"): ("%(n)s Job", "%(n)s Jobs"),
        Message("Nobody has said this"): ("",),
    }
    read_back = GNUTranslations(io.BytesIO(compiled("de", catalogue, PLURAL)))
    assert read_back.gettext("One “line”\nand another") == "Eine „Zeile“\nund noch eine"
    assert [read_back.ngettext("%(n)s job", "%(n)s jobs", n) for n in (0, 1, 2)] == [
        "%(n)s Jobs",
        "%(n)s Job",
        "%(n)s Jobs",
    ]
    assert read_back.gettext("Nobody has said this") == "Nobody has said this"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    catalogue: Catalogue = {
        Message('A "quoted" \\ text\n'): ("Ein Text\n",),
        Message("%(n)s job", "%(n)s jobs"): ("a", "b"),
    }
    file = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    write(file, [*catalogue, Message("New")], catalogue, PLURAL)
    assert read(file) == {**catalogue, Message("New"): ("",)}


def test_a_translation_that_loses_a_value_is_missing() -> None:
    message = Message("%(name)s has left")
    assert missing([message], {message: ("Jemand ist ausgetreten",)}) == [message]
    assert missing([message], {message: ("%(name)s ist ausgetreten",)}) == []


def test_everything_that_templates_mark_is_found() -> None:
    text = """{% load look %}{% if a %}{% translate "One" %}{% else %}{% include "x.html" with label=_("Two") only %}
        {% endif %}
        {% for b in c %}{% blocktranslate trimmed count n=b.n with name=b.name %}
            {{ name }}: {{ n }} job{% plural %}{{ name }}: {{ n }} jobs{% endblocktranslate %}{% endfor %}
        {{ d|default:_("Three") }}{% translate e.title %}"""
    found = set(of_template(text, Engine.get_default()))
    assert found == {
        Message("One"),
        Message("Two"),
        Message("Three"),
        Message("%(name)s: %(n)s job", "%(name)s: %(n)s jobs"),
    }


def test_everything_that_python_marks_and_what_problems_say_is_found() -> None:
    source = """
label = _("One" " and more")
many = ngettext("%(n)s job", "%(n)s jobs", n)
raise Conflict("job.wrong_state", "It has ended.")
raise NotFound.of("model version")
log.info("not.this", "Nor this.")
"""
    assert set(of_python(source)) == {
        Message("One and more"),
        Message("%(n)s job", "%(n)s jobs"),
        Message("It has ended."),
        Message("There is no such model version."),
    }
