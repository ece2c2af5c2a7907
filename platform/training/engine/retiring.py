"""Models that go out of use as their agreement says: when a member leaves, or when their time is over."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q

from agreements.terms import terms_of
from audit.actors import Actor
from audit.reasons import Reason
from registry.actions import delete_weights, retire
from registry.models import Model
from registry.retirement import EXPIRED, RETIRED, due_to_be_retired, due_to_expire, left_with_data
from training.engine.housekeeping import needed
from training.engine.rounds import abandon_open_round
from training.models import Job
from training.states import move
from training.transitions import JobState


def retire_models(*, by: Actor) -> int:
    """Take every model out of use that is due, with the jobs that use it; how many. Their weights, once time is over.

    What was given out before can't be called back.
    """
    count = 0
    for model in due_to_be_retired():
        count += _take_out_of_use(model, RETIRED, {"organisations": list(left_with_data(model))}, by)
    for model in due_to_expire():
        assert model.agreement is not None
        by_name = {"days": terms_of(model.agreement).retention.models_days}
        count += _take_out_of_use(model, EXPIRED, by_name, by)
        delete_weights(model=model, detail=by_name, needed_files=needed, by=by)
    return count


@transaction.atomic
def _take_out_of_use(model: Model, code: str, detail: Mapping[str, object], by: Actor) -> bool:
    """One model, with its jobs: those that train it or try it end now, or they would go on with what is retired."""
    using = Job.objects.filter(Q(model=model) | Q(evaluated_version__model=model), ended_at=None)
    for job in using.select_for_update(of=("self",)).order_by("id"):
        move(job=job, to=JobState.CANCELLED, by=by, why=Reason(code, {}))
        abandon_open_round(job=job, by=by, code=code)
    return retire(model=model, code=code, detail=detail, by=by)
