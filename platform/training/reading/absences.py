"""Whose work is missing in which job, for what reason, and what can be done: for job, silo and silo IT alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.selectors import organisations_of
from audit.reasons import reason_text
from federation.sentences import Params
from silos.models import Silo
from training.models import Job
from training.reading.absence_sql import MissedOrders, missed_at, missed_by_own, missed_in
from training.reading.advice import remedy_for
from training.reading.counting import OUTCOME_OF, Outcome
from training.reading.selectors import jobs_visible_to
from training.transitions import OrderState

SHOWN_FOR = timedelta(days=7)
SHOWN_MAX = 100
ROUNDS_SHOWN = 40
"""Of a job so many of its last rounds are reported; what was wrong before has been mended."""


@dataclass(frozen=True)
class Absence:
    """Rounds of a job that went on without a silo, for one reason."""

    silo: Silo
    job: Job
    missed: MissedOrders

    @property
    def outcome(self) -> Outcome:
        """What became of the orders."""
        return OUTCOME_OF[OrderState(self.missed.state)]

    @property
    def outcome_label(self) -> str:
        """The same in words."""
        return str(self.outcome.label)

    @property
    def code(self) -> str:
        """The stable code of the reason."""
        return self.missed.code

    @property
    def params(self) -> Params | None:
        """What stands in the reason's sentence; None where the silo's own words are kept, or the code alone."""
        return None if self.missed.params is None else cast("Params", json.loads(self.missed.params))

    @property
    def reason(self) -> str:
        """Why, in the reader's language; empty where nothing is known but the code."""
        return reason_text(self.missed.code, self.params, self.missed.message)

    @property
    def remedy(self) -> str:
        """What can be done about it."""
        return remedy_for(self.missed.code)

    @property
    def rounds(self) -> int:
        """How many rounds."""
        return self.missed.rounds

    @property
    def last_round(self) -> int:
        """The newest of them."""
        return self.missed.last_round

    @property
    def last_at(self) -> datetime:
        """When that one opened."""
        return self.missed.last_at


def absences_in(job: Job) -> tuple[Absence, ...]:
    """Whose work is missing in the last rounds of a job."""
    newest = job.rounds.order_by("-number").values_list("number", flat=True).first()
    if newest is None:
        return ()
    found = missed_in(job.id, first_round=newest - ROUNDS_SHOWN + 1, limit=SHOWN_MAX)
    return _absences(found, {job.id: job}) if found else ()


def absences_at(silo: Silo, user: User) -> tuple[Absence, ...]:
    """What a silo missed lately: everything for its own people, for others what they see of the jobs."""
    found = missed_at(silo.id, since=timezone.now() - SHOWN_FOR, limit=SHOWN_MAX)
    if not found:
        return ()
    own = organisations_of(user).filter(pk=silo.organisation_id).exists()
    return _absences(found, _jobs_of(found, Job.objects.all() if own else jobs_visible_to(user)))


def absences_of(user: User) -> tuple[Absence, ...]:
    """What the silos of a person's own organisations missed lately."""
    found = missed_by_own(user.pk, since=timezone.now() - SHOWN_FOR, limit=SHOWN_MAX)
    return _absences(found, _jobs_of(found, Job.objects.all())) if found else ()


def _jobs_of(found: Sequence[MissedOrders], seen: QuerySet[Job]) -> dict[UUID, Job]:
    return {job.id: job for job in seen.filter(id__in={one.job_id for one in found}).defer("manifest")}


def _absences(found: Sequence[MissedOrders], jobs: dict[UUID, Job]) -> tuple[Absence, ...]:
    ids = {one.silo_id for one in found}
    silos = Silo.objects.select_related("organisation").defer("statement", "certificate").in_bulk(ids)
    return tuple(Absence(silos[one.silo_id], jobs[one.job_id], one) for one in found if one.job_id in jobs)
