"""What a person finds when they come in: their consortia, their jobs, and what waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.models import User
from accounts.permissions import Permission
from accounts.selectors import organisations_of, organisations_where
from consortia.models import Invitation
from consortia.selectors import consortia_where, invitations_to_answer
from silos.models import Silo
from silos.transitions import SiloState
from training.models import Job
from training.selectors import jobs_visible_to
from training.transitions import ENDED, JobState

JOBS_SHOWN = 10
WAITING_SHOWN = 20


@dataclass(frozen=True)
class Waiting:
    """What waits for a person to act."""

    invitations: QuerySet[Invitation]
    silos_to_confirm: list[Silo]
    silos_to_enrol: list[Silo]
    silent_silos: list[Silo]
    paused_jobs: list[Job]

    def __bool__(self) -> bool:
        return any((self.invitations, self.silos_to_confirm, self.silos_to_enrol, self.silent_silos, self.paused_jobs))


def waiting_for(user: User) -> Waiting:
    """Invitations to answer, silos to confirm or to enrol, silos that fell silent, jobs that paused."""
    silos = Silo.objects.select_related("organisation").order_by("organisation__name", "name")
    to_confirm = silos.filter(
        state=SiloState.PRESENTED, organisation__in=organisations_where(user, Permission.SILO_CONFIRM)
    )
    to_enrol = silos.filter(state=SiloState.CREATED, organisation__in=organisations_where(user, Permission.SILO_ENROL))
    silent = silos.filter(state=SiloState.ACTIVE, silent_since__isnull=False, organisation__in=organisations_of(user))
    paused = jobs_visible_to(user).filter(
        state=JobState.PAUSED, consortium__in=consortia_where(user, Permission.JOB_CONTROL)
    )
    return Waiting(
        invitations=invitations_to_answer(user),
        silos_to_confirm=list(to_confirm[:WAITING_SHOWN]),
        silos_to_enrol=list(to_enrol[:WAITING_SHOWN]),
        silent_silos=list(silent[:WAITING_SHOWN]),
        paused_jobs=list(paused.order_by("-created_at")[:WAITING_SHOWN]),
    )


def jobs_for(user: User) -> list[Job]:
    """The jobs that are going on, then the newest of those that have ended."""
    visible = jobs_visible_to(user).order_by("-created_at")
    going = list(visible.exclude(state__in=ENDED)[:JOBS_SHOWN])
    return going + list(visible.filter(state__in=ENDED)[: JOBS_SHOWN - len(going)])
