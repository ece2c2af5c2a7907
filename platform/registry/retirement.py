"""Whether a model may still be used: what its agreement says of members that leave, and of how long models are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Cast, Now
from django.utils import timezone

from accounts.models import Organisation
from agreements.terms import terms_of
from audit.reasons import reason_text
from consortia.models import Participation
from consortia.transitions import ParticipationState
from federation.protocol.documents import Terms
from federation.tasks import kinds_that_train, tasks_that_train
from registry.models import Model, ModelVersion
from rest.errors import Conflict, Gone

RETIRED = "model.retired"
EXPIRED = "model.expired"


@dataclass(frozen=True)
class Retirement:
    """Why a model is not used any more."""

    code: str
    left: tuple[str, ...] = ()
    """The organisations that left, of those whose data it was learned with."""

    @property
    def message(self) -> str:
        """The sentence that people read."""
        return reason_text(self.code, {})


def retirement_of(model: Model) -> Retirement | None:
    """Why the model is not used any more; None while it is.

    It is asked whenever it matters, so that nothing depends on when the sweep writes it down.
    """
    if model.retired_at is not None:
        return Retirement(model.retired_code)
    if model.agreement is None:
        return None
    terms = terms_of(model.agreement)
    if _is_over(model, terms):
        return Retirement(EXPIRED)
    left = left_with_data(model) if terms.amendment.on_leaving == "models_retired" else ()
    return Retirement(RETIRED, left) if left else None


def check_downloadable(model: Model) -> None:
    """Raise Gone ``model.retired`` or ``model.expired`` where it is not used any more."""
    if (found := retirement_of(model)) is not None:
        raise Gone(found.code, found.message)


def check_releasable(model: Model) -> None:
    """Raise Conflict ``model.retired`` or ``model.expired`` where it is not used any more."""
    if (found := retirement_of(model)) is not None:
        raise Conflict(found.code, found.message)


_GAVE = "jobs__rounds__steps__orders__silo__organisation_id"


def _counted(model: UUID | OuterRef) -> QuerySet[Model]:
    """A model by its key, once for each answer that made it."""
    return Model.objects.filter(
        pk=model,
        jobs__task__in=tasks_that_train(),
        jobs__rounds__steps__orders__kind__in=kinds_that_train(),
        jobs__rounds__steps__orders__state="applied",
    ).order_by()


def left_with_data(model: Model) -> tuple[str, ...]:
    """The organisations whose answers made the model and that take no part in the consortium now."""
    gave: set[UUID] = set(_counted(model.pk).values_list(_GAVE, flat=True).distinct())
    stay = Participation.objects.filter(consortium_id=model.consortium_id, state=ParticipationState.ACTIVE)
    left = Organisation.objects.filter(id__in=gave).exclude(id__in=stay.values("organisation_id"))
    return tuple(left.order_by("name").values_list("name", flat=True))


def due_to_be_retired() -> list[Model]:
    """Models that are to be retired and are not yet, because of members that left."""
    candidates = Model.objects.filter(
        retired_at=None, agreement__terms__amendment__on_leaving="models_retired"
    ).select_related("agreement")
    active = Participation.objects.filter(state=ParticipationState.ACTIVE)
    stay = set(active.values_list("consortium_id", "organisation_id"))
    trained = candidates.filter(jobs__task__in=tasks_that_train(), jobs__cohort_members__isnull=False).order_by()
    # a few pairs, whatever the number of models: PostgreSQL adds them up, and mostly all of them stay
    pairs = trained.values_list("consortium_id", "jobs__cohort_members__silo__organisation_id").distinct()
    gone = [pair for pair in pairs if pair not in stay]
    if not gone:
        return []
    suspects = Q()
    for consortium, organisation in gone:
        suspects |= Q(consortium=consortium, jobs__cohort_members__silo__organisation=organisation)
    found = candidates.filter(suspects, jobs__task__in=tasks_that_train()).values("pk")
    # of all suspects in one statement: those to which the member that left gave nothing are suspects for ever
    stays = active.filter(consortium_id=OuterRef("consortium_id"), organisation_id=OuterRef("gave"))
    answers = _counted(OuterRef("pk")).annotate(gave=F(_GAVE))
    return list(candidates.filter(Exists(answers.filter(~Exists(stays))), pk__in=found))


def due_to_expire() -> list[Model]:
    """Models of which weights are kept although the agreement's time for them is over: PostgreSQL works it out."""
    days = Cast(F("agreement__terms__retention__models_days"), IntegerField())
    kept_for = ExpressionWrapper(days * Value(timedelta(days=1)), output_field=DurationField())
    over = Model.objects.filter(
        Exists(ModelVersion.objects.filter(model=OuterRef("pk"), pruned_at=None)),
        agreement__terms__retention__models_days__gte=1,
        jobs__task__in=tasks_that_train(),
        jobs__ended_at__lte=ExpressionWrapper(Now() - kept_for, output_field=DateTimeField()),
    )
    return list(Model.objects.filter(pk__in=over.order_by().values("pk")).select_related("agreement"))


def _is_over(model: Model, terms: Terms) -> bool:
    days = terms.retention.models_days
    if days is None:
        return False
    ended_at = model.jobs.filter(task__in=tasks_that_train()).values_list("ended_at", flat=True).first()
    return ended_at is not None and _passed(ended_at, days, timezone.now())


def _passed(ended_at: datetime, days: int, now: datetime) -> bool:
    return ended_at + timedelta(days=days) <= now
