"""Reasons are kept as a code with parameters, and said in the language of the one who reads them."""

from __future__ import annotations

import ast
import io
from collections import Counter

import pytest
from django.utils import translation

from audit.models import Event
from audit.reasons import MEANINGS, SENTENCES, Reason, detail_with_reason, places_of, reason_of, reason_text
from demo.services import ROOT
from federation.agreements.rules import RULES
from federation.errors import Invalid
from federation.protocol.payloads import update_f32
from federation.protocol.payloads.base import check_header
from federation.protocol.payloads.update_f32 import code_of
from federation.sentences import Params, Sentence
from tests.support.every import every


@pytest.mark.parametrize(
    ("code", "params", "english", "german"),
    [
        ("job.paused_by_request", {"who": "Dana Data"}, "Paused by Dana Data.", "Angehalten von Dana Data."),
        (
            "round.too_few_accepted",
            {},
            "No silo's update could be accepted.",
            "Von keinem Silo war ein Update annehmbar.",
        ),
        (
            "round.too_few_accepted",
            {"accepted": 1, "needed": 2},
            "1 updates could be accepted, at least 2 are needed.",
            "1 Updates waren annehmbar, mindestens 2 sind nötig.",
        ),
        (
            "round.quorum_not_met",
            {"answered": 1, "needed": 2},
            "1 of at least 2 silos answered in time.",
            "1 von mindestens 2 Silos haben rechtzeitig geantwortet.",
        ),
        (
            "agreement.suspended",
            {},
            "The agreement is suspended at this silo. Ask the silo's steward why, and until when.",
            (
                "Die Vereinbarung ist in diesem Silo ausgesetzt. "
                "Fragen Sie die Datenverantwortlichen des Silos, warum und bis wann."
            ),
        ),
        (
            "step.below_quorum",
            {"needed": 3, "round": 7},
            "Fewer than 3 silos have answered in round 7, and it can't be abandoned.",
            "In Runde 7 haben weniger als 3 Silos geantwortet, und sie kann nicht abgebrochen werden.",
        ),
    ],
)
def test_a_code_with_parameters_is_said_in_the_reader_s_language(
    code: str, params: Params, english: str, german: str
) -> None:
    reason = Reason(code, params)
    assert str(reason) == english
    with translation.override("de"):
        assert str(reason) == german
    assert reason.detail == {"code": code, "params": params}, "no sentence is written down"


def test_a_name_that_looks_like_a_place_is_shown_as_it_is() -> None:
    assert str(Reason("job.paused_by_request", {"who": "100 %(who)s"})) == "Paused by 100 %(who)s."


def test_an_error_of_the_library_is_kept_by_what_stands_in_its_sentence() -> None:
    form = "The update's norm is %(norm)s, %(allowed)s is allowed."
    kept = Reason.of(Invalid("update.norm_exceeded", Sentence(form, norm="7.5", allowed="5")))
    assert kept == Reason("update.norm_exceeded", {"norm": "7.5", "allowed": "5"})
    assert Reason.said("update.missing", "The update's file is not there any more.") == Reason("update.missing", {})


def test_what_somebody_else_said_is_kept_and_shown_as_it_was_said() -> None:
    statement = Reason.said("data.unreadable", "/data/x.csv is not a file.")
    assert statement == Reason("data.unreadable", None, "/data/x.csv is not a file.")
    assert str(statement) == "/data/x.csv is not a file."
    with translation.override("de"):
        message = str(statement)
    assert message.startswith("Das Silo kann seine Daten nicht lesen.")
    assert message.endswith("(/data/x.csv is not a file.)")
    assert statement.detail == {"code": "data.unreadable", "reason": "/data/x.csv is not a file."}


def test_a_sentence_from_before_is_shown_as_it_was_kept() -> None:
    with translation.override("de"):
        assert reason_text("job.paused_by_request", None, "Paused by Dana Data.") == "Paused by Dana Data."
        assert reason_of({"code": "round.not_closed", "reason": "5 workers failed."}) == "5 workers failed."
    assert reason_text("order.deadline", None) == "No answer came before the round's deadline."


def test_an_unknown_code_is_shown_with_what_was_kept() -> None:
    assert reason_text("nobody.knows", None, "As it was kept.") == "As it was kept."
    assert reason_text("nobody.knows", {"rows": 3}) == "nobody.knows (rows: 3)"
    assert reason_text("round.quorum_not_met", {"silos": 3}) == "round.quorum_not_met (silos: 3)", "of another release"
    assert reason_text("nobody.knows", {}) == "nobody.knows"
    assert reason_text("nobody.knows", None) == ""


def test_an_event_shows_its_reason_in_words_and_keeps_what_was_written() -> None:
    event = Event(verb="job.paused", detail={"code": "job.paused_by_request", "params": {"who": "Dana"}})
    before = dict(event.detail)
    assert detail_with_reason(event.detail) == {**before, "reason": "Paused by Dana."}
    assert event.detail == before
    old = {"code": "job.paused_by_request", "reason": "Paused by Dana."}
    assert detail_with_reason(old) == old
    assert detail_with_reason({"name": "Heart"}) == {"name": "Heart"}


def test_every_sentence_has_german_words() -> None:
    with translation.override("de"):
        for sentence in every([*MEANINGS.values(), *(form for forms in SENTENCES.values() for form in forms)]):
            assert translation.gettext(sentence) != sentence


def test_no_two_sentences_of_a_code_have_the_same_places() -> None:
    for code, forms in every(SENTENCES.items()):
        assert max(Counter(places_of(form) for form in forms).values()) == 1, code
        assert frozenset() not in map(places_of, forms) or code not in RULES or len(forms) == 1, code


def test_whatever_can_reject_an_answer_has_a_sentence() -> None:
    codes = {
        node.args[0].value
        for folder in ("federation/protocol/payloads", "federation/aggregation")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Invalid"
        if isinstance(node.args[0], ast.Constant)
    }
    assert len(codes) > 10
    for code in every({*codes, *update_f32._CODES.values(), code_of(Invalid("tensors.other", "Not one of these."))}):
        assert code in SENTENCES or code in MEANINGS


def test_a_rejected_payload_is_explained_in_the_reader_s_language() -> None:
    with pytest.raises(Invalid) as refused:
        check_header(io.BytesIO(b"abc"), b"head", 4)
    why = Reason.of(refused.value)
    assert why == Reason("payload.length", {"size": 3, "expected": 8})
    with translation.override("de"):
        assert str(why) == "Es hat 3 Bytes, nicht 8."
