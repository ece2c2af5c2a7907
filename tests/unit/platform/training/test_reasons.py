"""Reasons that were kept in English, in another language: by their form, by their code, or as they are."""

from __future__ import annotations

import pytest
from django.utils import translation

from training.reading.reasons import FORMS, MEANINGS, in_the_readers_words


@pytest.mark.parametrize(
    ("code", "text", "german"),
    [
        ("job.paused_by_request", "Paused by Dana Data.", "Angehalten von Dana Data."),
        ("round.too_few_accepted", "No silo's update could be accepted.", "Von keinem Silo war ein Update annehmbar."),
        (
            "round.quorum_not_met",
            "1 of at least 2 silos answered in time.",
            "1 von mindestens 2 Silos haben rechtzeitig geantwortet.",
        ),
        ("order.deadline", "", "Bis zum Ende der Runde kam keine Antwort."),
        (
            "agreement.suspended",
            "The agreement is suspended at this silo. Ask the silo's steward why, and until when.",
            (
                "Die Vereinbarung ist in diesem Silo ausgesetzt. "
                "Fragen Sie die Datenverantwortlichen des Silos, warum und bis wann."
            ),
        ),
        (
            "agreement.purpose",
            "The job's purpose is not among those allowed: NPU.",
            "Der Zweck des Jobs gehört nicht zu den erlaubten: NPU.",
        ),
        ("agreement.purpose", "Something else was kept.", "Something else was kept."),
        ("nobody.knows", "As it was kept.", "As it was kept."),
    ],
)
def test_a_reason_is_said_in_the_reader_s_language(code: str, text: str, german: str) -> None:
    with translation.override("de"):
        assert in_the_readers_words(code, text) == german


def test_what_has_many_forms_keeps_its_own_words_beside_the_meaning() -> None:
    with translation.override("de"):
        told = in_the_readers_words("data.unreadable", "/data/x.csv is not a file.")
    assert told.startswith("Das Silo kann seine Daten nicht lesen.")
    assert told.endswith("(/data/x.csv is not a file.)")


def test_in_english_the_record_speaks_for_itself() -> None:
    assert in_the_readers_words("data.unreadable", "/data/x.csv is not a file.") == "/data/x.csv is not a file."
    assert in_the_readers_words("job.paused_by_request", "Paused by Dana Data.") == "Paused by Dana Data."
    assert in_the_readers_words("order.deadline", "") == "No answer came before the round's deadline."
    assert in_the_readers_words("nobody.knows", "") == ""


def test_every_sentence_has_german_words() -> None:
    with translation.override("de"):
        for sentence in (*MEANINGS.values(), *(form for forms in FORMS.values() for form in forms)):
            assert translation.gettext(sentence) != sentence
