"""What is wrong with a field is said in the reader's language, also where a bound stands in the sentence."""

import pytest
from django.utils.translation import override
from pydantic import BaseModel, Field, ValidationError

from federation.validation import refusal
from plans.wording import fault_anew
from rest.pages import in_words


class Asked(BaseModel):
    """One field of each kind."""

    name: str = Field(min_length=1)
    rounds: int = Field(ge=3)
    tags: list[str] = Field(min_length=2)
    code: str = Field(pattern="^[A-Z]$")


def test_faults_of_fields_are_said_in_german() -> None:
    with pytest.raises(ValidationError) as caught:
        Asked.model_validate({"name": "", "rounds": 1, "tags": [], "code": "x"})
    told = [text for texts in refusal(caught.value, "x.y").fields.values() for text in texts]
    with override("de"):
        assert [in_words(text) for text in told] == [
            "Das darf nicht leer sein.",
            "Das muss mindestens 3 sein.",
            "Davon braucht es mindestens 2.",
            "Das muss geschrieben sein wie ^[A-Z]$",
        ]
    assert [in_words(text) for text in told] == told


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("Line 7: predict is defined twice.", "Zeile 7: predict ist zweimal definiert."),
        ("This has to be a list.", "Das muss eine Liste sein."),
        ("Nobody knows this sentence 7.", "Nobody knows this sentence 7."),
    ],
)
def test_faults_of_plans_are_said_in_german(said: str, german: str) -> None:
    with override("de"):
        assert fault_anew(said) == german
