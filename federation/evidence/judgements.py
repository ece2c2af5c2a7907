"""The figures in a passport: computed again from what the silos have signed of these weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from federation.aggregation.metric_pooling import Measured, combine
from federation.evidence.passport_checks import Answered
from federation.evidence.passports import Evaluation
from federation.evidence.round_events import RoundEvents
from federation.protocol.documents import Manifest

_APART = 1e-9
"""By which two sums of the same floats may differ, relative to the larger."""


def misjudged(
    statement: Evaluation, reported: RoundEvents | None, answers: Mapping[str, Answered], manifest: Manifest
) -> str | None:
    """Why a passport's figures aren't those of the silos; None if they are.

    `reported` is the round that closed after the one which made the weights: it began with them, and its silos tried
    them. None where there is none: then nobody may be said to have tried them. What counts are the answers that were
    not rejected, weighed as the platform has to: by test rows, no organisation beyond its share.
    """
    share_max = None if manifest.weighting is None else manifest.weighting.organisation_share_max
    target = manifest.target_kind
    found = combine(target, _measured(reported, answers, manifest) if reported is not None else (), share_max)
    silos = found.get("silos", 0)
    if statement.silos != silos:
        return f"{statement.silos} silos are said to have tried the weights, and {silos} have signed figures of them."
    for name in sorted({*statement.all_figures, *(metric.name for metric in target.pooled_metrics())}):
        figure, expected = statement.all_figures.get(name), found.get(name)
        if figure is None and expected is None:
            continue
        if figure is None or not isinstance(expected, float) or not math.isclose(figure, expected, rel_tol=_APART):
            return f"Its {name} is {figure}. What the silos have signed comes to {expected}."
    return None


def _measured(reported: RoundEvents, answers: Mapping[str, Answered], manifest: Manifest) -> Iterator[Measured]:
    organisations = {str(member.silo_id): member.signatory_key for member in manifest.cohort}
    for key in reported.work_step.counting if reported.work_step is not None else ():
        answer = answers.get(key)
        if answer is not None and (report := answer.said.evaluation) is not None:
            organisation = organisations[str(answer.said.silo_id)]
            yield Measured(organisation, report.rows, report.figures)
