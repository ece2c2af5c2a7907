"""Answers to orders of jobs, as far as they are the same whatever was done."""

from __future__ import annotations

from collections.abc import Mapping

from federation.protocol.documents import (
    Environment,
    EvaluationReport,
    Order,
    Payload,
    Submission,
    TrainingReport,
    now,
)


def submission_to(
    order: Order,
    environment: Environment,
    phases_s: Mapping[str, float],
    payloads: Mapping[str, Payload],
    *,
    training: TrainingReport | None = None,
    evaluation: EvaluationReport | None = None,
) -> Submission:
    """The answer to an order, made now: it names the order and what that was about, and what was done."""
    return Submission(
        order_id=order.order_id,
        number=order.number,
        kind=order.kind,
        silo_id=order.silo_id,
        job_id=order.job_id,
        manifest_digest=order.manifest_digest,
        round=order.round,
        attempt=order.attempt,
        model_digest=order.model_digest,
        payloads=dict(payloads),
        training=training,
        evaluation=evaluation,
        phases_s={phase: round(seconds, 4) for phase, seconds in phases_s.items()},
        environment=environment,
        created_at=now(),
    )
