"""A launch request: everything that is wrong with it is reported at once, by field, in plain words."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils import translation

from federation.errors import Invalid
from rest.pages import in_words
from tests.support.plugins.added import FOLDERS, OF_THE_PLATFORM, add_parts
from training.launch.requests import read_request

ID = str(uuid4())


def request(**changes: Any) -> dict[str, Any]:
    """A good request, changed; a value of `...` leaves the member out."""
    good = {"name": "A job", "datasets": [ID], "protection": {"mode": "clear"}, "model": {"family": "logistic"}}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def refused(**changes: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_request(request(**changes))
    return caught.value


def test_a_valid_launch_request_is_read() -> None:
    assert read_request(request()).effective_quorum == 1
    assert read_request(request(task="evaluate", model=None, model_version=ID)).model is None


@pytest.mark.parametrize(
    ("changes", "code", "fields"),
    [
        ({"rounds": "many"}, "job.invalid", {"rounds": "This has to be a whole number."}),
        ({"rounds": 1.5}, "job.invalid", {"rounds": "This has to be a whole number."}),
        ({"rounds": 0}, "job.invalid", {"rounds": "This has to be at least 1."}),
        ({"seed": 2**32}, "job.invalid", {"seed": "This has to be at most 4294967295."}),
        ({"name": ""}, "job.invalid", {"name": "This can't be empty."}),
        ({"name": ...}, "job.invalid", {"name": "This has to be given."}),
        ({"name": "a\nb"}, "job.invalid", {"name": "A name is one line, without control characters."}),
        ({"task": "guess"}, "job.invalid", {"task": "This has to be 'train', 'evaluate' or 'statistics'."}),
        ({"datasets": []}, "job.invalid", {"datasets": "There have to be at least 1 of these."}),
        ({"datasets": ["x"]}, "job.invalid", {"datasets.0": "This has to be an id (a UUID)."}),
        ({"datasets": [ID, ID]}, "job.invalid", {"datasets": "A dataset is named twice."}),
        ({"quorum": 2}, "job.invalid", {"quorum": "The quorum is larger than the number of silos."}),
        (
            {"model": {"family": "mlp", "hidden": [0]}},
            "model.invalid",
            {"model.hidden.0": "This has to be at least 1."},
        ),
        ({"model": 5}, "job.invalid", {"model": "This has to be an object with named members."}),
        ({"model": ...}, "job.invalid", {"model": "A training job names either a model or a training plan."}),
        ({"local": {"steps": 1, "epochs": 1}}, "local.invalid", {"local": "Give either steps or epochs."}),
        (
            {"strategy": {"name": "fedprox", "proximal_mu": -1}},
            "strategy.invalid",
            {"strategy.proximal_mu": "This has to be at least 0."},
        ),
        ({"protection": {"mode": "masked"}}, "job.protection", {"protection.mode": "This has to be 'clear'."}),
    ],
)
def test_one_fault_is_reported_plainly(changes: dict[str, Any], code: str, fields: dict[str, str]) -> None:
    error = refused(**changes)
    assert (error.code, error.fields) == (code, {path: [text] for path, text in fields.items()})
    assert error.message in fields.values()


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"use": {"category": "disease", "diseases": ["flu"]}}, "use.diseases.0", "ICD-10:I25.1 or MONDO:0005010"),
        ({"use": {"category": "disease", "countries": ["Germany"]}}, "use.countries.0", "CH (a country's"),
        ({"plan": "sha256:12", "model": ...}, "plan", "sha256:0123456789abcdef"),
    ],
)
def test_what_a_text_has_to_look_like_is_reported_by_an_example(changes: dict[str, Any], field: str, said: str) -> None:
    error = refused(**changes)
    assert [text for text in error.fields[field] if text.startswith("This has to be written like ") and said in text]
    assert "^" not in str(error.fields)


def test_all_values_that_a_field_may_have_are_reported_in_one_sentence() -> None:
    (statement,) = refused(use={"category": "helth"}).fields["use.category"]
    assert "'health', 'disease'" in statement
    assert statement.endswith("'clinical_care', 'credit_risk', 'fraud', 'aml' or 'stress_testing'.")


@pytest.mark.parametrize("protection", [..., None, "clear"])
def test_protection_has_to_be_said(protection: Any) -> None:
    error = refused(protection=protection)
    assert (error.code, list(error.fields)) == ("job.protection", ["protection"])
    assert "nobody trains in clear by default" in error.message


def test_several_faults_are_reported_together() -> None:
    error = refused(protection=..., quorum=0, local={"epochs": 0, "batch_size": 0}, strategy={"name": "magic"})
    paths = {"protection", "quorum", "local.epochs", "local.batch_size", "strategy.name"}
    assert (error.code, set(error.fields)) == ("job.invalid", paths)
    assert all(path in error.message for path in paths)


def test_several_faults_of_one_kind_keep_its_code() -> None:
    error = refused(local={"epochs": 0, "batch_size": 0, "optimiser": "guess"})
    assert (error.code, len(error.fields)) == ("local.invalid", 3)


def test_an_evaluation_is_not_judged_by_how_it_would_train() -> None:
    error = refused(task="evaluate", model_version=..., strategy={"name": "magic"})
    assert set(error.fields) == {"model", "model_version"}


def test_what_was_refused_is_never_repeated() -> None:
    error = refused(name=5, rounds="SECRET", datasets=["SECRET"], task="SECRET", model={"family": "SECRET"})
    assert "SECRET" not in str(error.fields) + str(error)


def test_no_more_than_some_faults_are_reported() -> None:
    assert len(refused(datasets=["x"] * 500).fields) == 100


@pytest.fixture
def half_median(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A strategy that looks at single updates, beside a mode that gives sums alone."""
    add_parts(monkeypatch, FOLDERS | OF_THE_PLATFORM)
    return {"strategy": {"name": "half_median"}}


def test_a_strategy_that_looks_at_single_updates_goes_with_no_mode_that_gives_sums(half_median: dict[str, Any]) -> None:
    greeted = {"mode": "greeted", "language": "en"}
    error = refused(protection=greeted, **half_median)
    assert (error.code, error.field) == ("strategy.needs_single_updates", "strategy.name")
    assert error.message.startswith(
        "Half a median looks at each silo's own update; the protection mode greeted gives only"
    )
    assert read_request(request(protection={"mode": "clear"}, **half_median))
    assert read_request(request(protection=greeted, strategy={"name": "fedavg"}))


def test_why_it_does_not_go_is_said_in_german_too(half_median: dict[str, Any]) -> None:
    error = refused(protection={"mode": "greeted", "language": "en"}, **half_median)
    with translation.override("de"):
        assert in_words(error.message).startswith("Half a median sieht sich jedes einzelne Update an")
