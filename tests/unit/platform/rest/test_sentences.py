"""What is wrong with a field is said in the reader's language, also where a bound stands in the sentence."""

import copy
import json

import pytest
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import override
from pydantic import BaseModel, Field, ValidationError

from federation.errors import Invalid
from federation.plans.declaration import read_plan
from federation.sentences import Sentence
from federation.validation import refusal
from rest.pages import in_words

DECLARED = b'PLAN = {"interface": 1, "title": "Little", "parameters": [{"name": "w", "shape": [1, "n_features"]}]}\n'


class Asked(BaseModel):
    """One field of each kind."""

    name: str = Field(min_length=1)
    rounds: int = Field(ge=3)
    tags: list[str] = Field(min_length=2)
    code: str = Field(pattern="^[A-Z]$")


def test_faults_of_fields_are_said_in_german() -> None:
    with pytest.raises(ValidationError) as caught:
        Asked.model_validate({"name": "", "rounds": 1, "tags": [], "code": "x"})
    rows = [text for texts in refusal(caught.value, "x.y").fields.values() for text in texts]
    with override("de"):
        assert [in_words(text) for text in rows] == [
            "Das darf nicht leer sein.",
            "Das muss mindestens 3 sein.",
            "Davon braucht es mindestens 2.",
            "Das muss geschrieben sein wie ^[A-Z]$",
        ]
    assert [in_words(text) for text in rows] == rows


def test_a_text_that_was_put_together_and_no_sentence_stays_as_it_is() -> None:
    with override("de"):
        assert in_words("This has to be a list.") == "Das muss eine Liste sein."
        assert in_words("Line 7: predict is defined twice.") == "Line 7: predict is defined twice."


@pytest.mark.parametrize(
    ("source", "german"),
    [
        (b"\xff", "Die Datei ist kein UTF-8-Text (Byte 0)."),
        (b"def f(:\n", "Zeile 1: Das ist kein Python (invalid syntax)."),
        (
            DECLARED + b"def predict(p):\n    ...\n",
            "Zeile 2: Es muss predict(parameters, features) hei\u00dfen.",
        ),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_in_german(source: bytes, german: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_plan(source)
    with override("de"):
        assert in_words(caught.value.message) == german
    assert in_words(caught.value.message) == caught.value.message


def test_a_sentence_is_its_text_and_keeps_its_form_through_copies_and_forms() -> None:
    message = Sentence("This has to be at least %(ge)s.", ge=3)
    assert (message, json.dumps(message)) == ("This has to be at least 3.", '"This has to be at least 3."')
    for copied in (copy.copy(message), copy.deepcopy(message), str(message)):
        assert isinstance(copied, Sentence)
        assert (copied, copied.form, copied.params) == (message, message.form, {"ge": 3})
    assert isinstance(DjangoValidationError(message).messages[0], Sentence)
    with pytest.raises(KeyError):
        Sentence("This has to be at least %(ge)s.", other=3)
