"""What an answer may say: the platform that takes it and anyone who verifies evidence ask the same function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from federation.agreements.answer_bounds import CODES, AnswerBounds, faults_of
from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from federation.protocol.rows import NO_LIMITS, RowLimits
from federation.targets import target_of
from tests.support.decision_cases import order_of
from tests.support.evidence import ENVIRONMENT, Played, answer_to

PLAYED = Played(rounds=1)
ANSWER = answer_to(
    order_of(
        PLAYED.manifest,
        kind="train",
        inputs={
            "model": documents.BlobReference(
                digest=PLAYED.manifest.initial_model_digest, size_bytes=1, url="/connector/v1/blobs/1"
            )
        },
    )
)
BOUNDS = AnswerBounds.of(
    PLAYED.manifest,
    PLAYED.manifest.cohort[0],
    documents.read(documents.Agreement, payload_unverified(PLAYED.agreement)).terms,
)


def trained(**changes: object) -> dict[str, object]:
    """Another report of the training."""
    assert ANSWER.training is not None
    return {"training": ANSWER.training.model_copy(update=changes)}


def tried(**changes: Any) -> dict[str, object]:
    """Another report of the evaluation."""
    return {"evaluation": documents.EvaluationReport(**changes)}


def codes(bounds: AnswerBounds = BOUNDS, **changes: object) -> set[str]:
    """What is wrong with an answer that says this."""
    return {code for code, _ in faults_of(ANSWER.model_copy(update=changes), bounds)}


SAYS_NOTHING = {"environment": ENVIRONMENT.model_copy(update={"network": None})}
WITH_COUNTS = replace(BOUNDS, metrics=frozenset({"loss", "accuracy", "confusion"}))


@pytest.mark.parametrize(
    ("found", "bounds", "changes"),
    [
        (set(), BOUNDS, {}),
        ({"update.weight"}, BOUNDS, trained(rows=305)),
        (set(), BOUNDS, trained(rows=304)),
        (set(), replace(BOUNDS, rows=RowLimits(304, 200)), trained(rows=304)),
        ({"update.weight"}, replace(BOUNDS, rows=RowLimits(304, 200), is_weighed_here=False), trained(rows=201)),
        ({"update.weight"}, BOUNDS, tried(rows=305)),
        (set(), replace(BOUNDS, rows=NO_LIMITS), tried(rows=10**10)),
        ({"update.norm_exceeded"}, BOUNDS, trained(update_norm_l2=1.0001e4)),
        ({"answer.not_agreed"}, BOUNDS, tried(rows=20, figures={"auc": 0.5})),
        ({"answer.not_agreed"}, BOUNDS, tried(rows=20, figures={"confusion": ((20, 0), (0, 0))})),
        (
            {"answer.not_agreed"},
            replace(BOUNDS, metrics=frozenset({"accuracy"})),
            tried(rows=20, figures={"accuracy": 1.0}),
        ),
        ({"answer.small_cell"}, BOUNDS, tried(rows=4, figures={"accuracy": 1.0})),
        ({"answer.small_cell"}, BOUNDS, tried(rows=0, figures={"accuracy": 1.0})),
        (set(), BOUNDS, tried(rows=0, suppressed=True)),
        ({"answer.small_cell"}, WITH_COUNTS, tried(rows=20, figures={"confusion": ((19, 1), (0, 0))})),
        (set(), WITH_COUNTS, tried(rows=20, figures={"confusion": ((20, 0), (0, 0))})),
        (set(), WITH_COUNTS, tried(rows=20, figures={"loss": 0.5, "confusion": ((20, 0), (0, 0))})),
        ({"answer.figures"}, BOUNDS, tried(rows=20, figures={"accuracy": 1.5})),
        ({"answer.figures"}, BOUNDS, tried(rows=20, figures={"accuracy": ((20, 0), (0, 0))})),
        ({"answer.figures", "answer.not_agreed"}, BOUNDS, tried(rows=20, figures={"name": 17.0})),
        ({"agreement.trainer_network"}, BOUNDS, SAYS_NOTHING),
        (
            set(),
            replace(BOUNDS, has_no_network=False),
            SAYS_NOTHING,
        ),
    ],
)
def test_what_an_answer_says_beyond_its_bounds_is_named(
    found: set[str], bounds: AnswerBounds, changes: dict[str, object]
) -> None:
    assert codes(bounds, **changes) == found
    assert found <= CODES


NUMBER = replace(BOUNDS, target=target_of("real", None), metrics=frozenset({"mse", "mae", "r2"}))


@pytest.mark.parametrize(
    ("found", "bounds", "changes"),
    [
        (set(), NUMBER, trained(loss=12.3) | tried(rows=20, figures={"mse": 12.3, "mae": 2.0, "r2": -0.5})),
        ({"answer.figures"}, NUMBER, trained(loss=12.34) | tried(rows=20)),
        ({"answer.figures"}, NUMBER, trained(loss=12.3, rows=4) | tried(rows=20)),
        ({"answer.not_agreed"}, replace(NUMBER, metrics=frozenset({"mae"})), trained(loss=12.3) | tried(rows=20)),
        ({"answer.figures"}, NUMBER, trained(loss=None) | tried(rows=20, figures={"mse": 12.34})),
        ({"answer.figures"}, NUMBER, trained(loss=None) | tried(rows=20, figures={"r2": 1.5})),
        (
            {"answer.figures", "answer.not_agreed"},
            NUMBER,
            trained(loss=None) | tried(rows=20, figures={"accuracy": 0.5}),
        ),
        ({"answer.small_cell"}, NUMBER, trained(loss=None) | tried(rows=4, figures={"mse": 12.3})),
    ],
)
def test_a_number_s_figures_have_bounds_too(found: set[str], bounds: AnswerBounds, changes: dict[str, object]) -> None:
    assert codes(bounds, **changes) == found


def test_no_word_about_an_answer_repeats_what_may_not_be_known() -> None:
    statement = ANSWER.model_copy(update=tried(rows=3, figures={"accuracy": 0.123456, "auc": 0.654321}))
    message = " ".join(what for _, what in faults_of(statement, BOUNDS))
    assert "auc" in message
    assert not [figure for figure in ("0.123456", "0.654321", " 3 ") if figure in message]
