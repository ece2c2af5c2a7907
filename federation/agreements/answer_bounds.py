"""What an answer to an order may say: the job's limits, its silo's rows, and the figures that were agreed. Pure.

The platform asks here before it takes an answer, and anyone who verifies a job's evidence asks here again: an answer
that evidence would fault never counts. The trainer's own allow-list (``silo_connector.trainer.egress.filter``) is no
looser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from federation.agreements.shares import limits_of
from federation.errors import Invalid
from federation.protection import mode_of
from federation.protocol.documents import CohortMember, EvaluationReport, Manifest, Submission, Terms, TrainingReport
from federation.protocol.rows import RowLimits
from federation.sentences import Sentence
from federation.targets import Target

WEIGHT: Final = "update.weight"
NORM: Final = "update.norm_exceeded"
NOT_AGREED: Final = "answer.not_agreed"
SMALL_CELL: Final = "answer.small_cell"
NETWORK: Final = "agreement.trainer_network"
FIGURES: Final = "answer.figures"
CODES: Final = frozenset({WEIGHT, NORM, NOT_AGREED, SMALL_CELL, NETWORK, FIGURES})


@dataclass(frozen=True)
class AnswerBounds:
    """What one silo's answers in one job are held to."""

    rows: RowLimits
    is_weighed_here: bool
    """In clear the platform weighs: it believes more rows for training than count. Elsewhere the silo itself weighs."""
    update_norm_l2_max: float
    minimum_cell: int
    metrics: frozenset[str]
    """The figures about a model that the agreement lets out."""
    target: Target | None
    """What the job's models are asked for: it says which figures there are. None where the job is about no model."""
    has_no_network: bool
    """Whether the agreement asks for a trainer that says that it has no network."""

    @classmethod
    def of(cls, manifest: Manifest, member: CohortMember, terms: Terms) -> AnswerBounds:
        """The bounds of a cohort member's answers under a manifest and the terms of its agreement."""
        return cls(
            rows=limits_of(member),
            is_weighed_here=mode_of(manifest.protection.mode).platform_reads_updates,
            update_norm_l2_max=manifest.limits.update_norm_l2_max,
            minimum_cell=manifest.limits.minimum_cell,
            metrics=frozenset(terms.disclosure.metrics),
            target=manifest.target_kind if manifest.is_about_model else None,
            has_no_network=terms.training_limits.trainer_network == "forbidden",
        )


def faults_of(statement: Submission, bounds: AnswerBounds) -> Iterator[tuple[str, str]]:
    """What an answer says beyond its bounds: codes, and what they mean, without the figures that were not agreed."""
    if bounds.has_no_network and statement.environment.network != "none":
        yield NETWORK, "The trainer does not say that it had no network, as the agreement asks."
    training, evaluation = statement.training, statement.evaluation
    if bounds.target is None:
        if training is not None or evaluation is not None:
            yield FIGURES, "The answer is about a model, and the job is about none."
        return
    rows_max = bounds.rows.rows_max if bounds.is_weighed_here else min(bounds.rows.rows_max, bounds.rows.weight_max)
    if training is not None and training.rows > rows_max:
        yield WEIGHT, _too_many(training.rows, rows_max)
    if evaluation is not None and evaluation.rows > bounds.rows.rows_max:
        yield WEIGHT, _too_many(evaluation.rows, bounds.rows.rows_max)
    if training is not None and training.update_norm_l2 > bounds.update_norm_l2_max:
        yield NORM, _norm_exceeded(training.update_norm_l2, bounds.update_norm_l2_max)
    reported = set(evaluation.figures) if evaluation is not None else set()
    if training is not None and training.loss is not None:
        reported.add(bounds.target.loss_figure)
    if unagreed := sorted(reported - bounds.metrics):
        form = "The answer has figures that the agreement does not disclose: %(figures)s."
        yield NOT_AGREED, Sentence(form, figures=", ".join(unagreed))
    if training is not None and not _is_loss_of(bounds.target, bounds.minimum_cell, training):
        form = "The answer has a %(figure)s of training that a %(target)s target doesn't have."
        yield FIGURES, Sentence(form, figure=bounds.target.loss_figure, target=bounds.target.name)
    if evaluation is not None and not _is_of(bounds.target, evaluation):
        form = "The answer has figures that a %(target)s target doesn't have."
        yield FIGURES, Sentence(form, target=bounds.target.name)
    elif evaluation is not None and _points_at_few(bounds.target, evaluation, bounds.minimum_cell):
        yield (
            SMALL_CELL,
            Sentence("The answer has figures of fewer rows than %(minimum)s.", minimum=bounds.minimum_cell),
        )


def _norm_exceeded(norm_l2: float, allowed: float) -> Sentence:
    return Sentence(
        "The update's norm is %(norm)s, %(allowed)s is allowed.", norm=f"{norm_l2:g}", allowed=f"{allowed:g}"
    )


def _too_many(rows: int, rows_max: float) -> str:
    form = "The answer claims %(rows)s rows; the silo's registration allows %(allowed)s."
    return Sentence(form, rows=rows, allowed=f"{rows_max:.0f}")


def _is_of(target: Target, evaluation: EvaluationReport) -> bool:
    """Whether the figures are such as the target has."""
    try:
        target.check(evaluation.figures, evaluation.rows)
    except Invalid:
        return False
    return True


def _is_loss_of(target: Target, minimum_cell: int, training: TrainingReport) -> bool:
    """Whether the loss of training is such as the target lets a silo report it, of as many rows as it has at most."""
    if training.loss is None:
        return True
    try:
        target.check_training_loss(training.loss, training.rows, minimum_cell)
    except Invalid:
        return False
    return True


def _points_at_few(target: Target, evaluation: EvaluationReport, minimum_cell: int) -> bool:
    """Whether figures, or one count among them, are of so few rows that they may point at somebody."""
    if evaluation.rows < minimum_cell and (evaluation.rows or evaluation.figures):
        return True
    return target.points_at_few(evaluation.figures, minimum_cell)
