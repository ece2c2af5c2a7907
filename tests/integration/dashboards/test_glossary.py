"""The glossary's page: every link to it arrives, and every term is there in each language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from dashboards.glossary import markdown, sections
from tests.support.cohort import browser
from tests.support.every import every
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"""\{% url ['"]glossary['"] %\}#([\w-]+)""")
SENTENCE = re.compile(r"(?<=[.!?:;])\s+")
WORDS_MAX = 20


def terms() -> list[tuple[str, str, str]]:
    return [(term.anchor, str(term.title), str(term.meaning)) for section in sections() for term in section.terms]


def test_each_link_to_the_glossary_has_its_anchor() -> None:
    anchors = [anchor for anchor, _, _ in terms()]
    assert len(anchors) == len(set(anchors))
    linked = {found for file in (ROOT / "templates").rglob("*.html") for found in LINK.findall(file.read_text())}
    assert len(linked) > 5
    assert linked <= set(anchors)


def test_each_term_has_every_language_and_short_sentences() -> None:
    english = terms()
    others = [code for code, _ in settings.LANGUAGES if code != "en"]
    for language in every(others):
        with override(language):
            translated = terms()
        assert [one[0] for one in translated] == [one[0] for one in english]
        assert not [one[0] for one, other in zip(english, translated, strict=True) if one[2] == other[2]]
    long = [part for _, _, meaning in english for part in SENTENCE.split(meaning) if len(part.split()) > WORDS_MAX]
    assert not long


def test_docs_have_the_same_glossary() -> None:
    assert (ROOT / "docs" / "glossary.md").read_text() == markdown()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "de"])
def test_page_shows_each_term_at_its_anchor(world: World, language: str) -> None:
    answer = browser(world.it).get("/help/glossary/", headers={"accept-language": language})
    assert answer.status_code == 200
    page = answer.content.decode()
    with override(language):
        for anchor, _, meaning in every(terms()):
            assert f'id="{anchor}"' in page
            assert meaning.partition("'")[0][:40] in page
