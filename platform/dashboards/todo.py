"""What waits for a person to act, and what went wrong that they should know of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import OrganisationRoleOffer, User
from accounts.permissions import Permission
from accounts.second_factor.requirements import STRONG_ROLES
from accounts.selectors import open_role_offers_to, organisations_of, organisations_where
from agreements.selectors import ToSign, versions_waiting_for
from consortia.models import ConsortiumRoleOffer, Invitation
from consortia.selectors import consortia_where, invitations_to_answer
from consortia.selectors import open_role_offers_to as consortium_role_offers_to
from plans.waiting import ToReview, plans_waiting_for
from silos.growth import growth_waiting_for
from silos.models import Dataset, Silo
from silos.transitions import SiloState
from training.models import Job
from training.reading.absences import Absence, absences_of
from training.reading.selectors import jobs_visible_to
from training.transitions import JobState

WAITING_SHOWN = 20
INCIDENTS_FOR = timedelta(days=7)


@dataclass(frozen=True)
class RoleOffered:
    """A role that waits for a person's word, and where it is."""

    offer: OrganisationRoleOffer | ConsortiumRoleOffer
    place: str
    page: str
    """How the names of the pages begin that take the answer."""

    @property
    def accept(self) -> str:
        """The page that takes a yes."""
        return f"{self.page}-accept"

    @property
    def decline(self) -> str:
        """The page that takes a no."""
        return f"{self.page}-decline"

    @property
    def asks_for_factor(self) -> bool:
        """Whether who holds it needs a second factor."""
        return self.offer.role in STRONG_ROLES


@dataclass(frozen=True)
class Waiting:
    """What waits for a person to act."""

    role_offers: list[RoleOffered]
    invitations: QuerySet[Invitation]
    silos_to_confirm: list[Silo]
    silos_to_enrol: list[Silo]
    paused_jobs: list[Job]
    agreements: list[ToSign]
    plans: list[ToReview]
    grown_datasets: list[Dataset]

    def __bool__(self) -> bool:
        silos = self.silos_to_confirm or self.silos_to_enrol
        for_this = (self.role_offers, self.invitations, silos, self.paused_jobs, self.agreements, self.plans)
        return any((*for_this, self.grown_datasets))


@dataclass(frozen=True)
class Incidents:
    """What went wrong: silos of one's own that fell silent or missed rounds, jobs that failed or paused."""

    silent_silos: list[Silo]
    silos_ahead: list[Silo]
    """Those that say that the platform is older than what they saw."""
    jobs: list[Job]
    absences: tuple[Absence, ...]
    """What one's own silos missed, and why."""

    def __bool__(self) -> bool:
        return bool(self.silent_silos or self.silos_ahead or self.jobs or self.absences)


def waiting_for(user: User) -> Waiting:
    """What waits: roles and invitations to answer, silos, paused jobs, agreements, plans, data sets that grew."""
    silos = Silo.objects.select_related("organisation").order_by("organisation__name", "name")
    to_confirm = silos.filter(
        state=SiloState.PRESENTED, organisation__in=organisations_where(user, Permission.SILO_CONFIRM)
    )
    to_enrol = silos.filter(state=SiloState.CREATED, organisation__in=organisations_where(user, Permission.SILO_ENROL))
    paused = jobs_visible_to(user).filter(
        state=JobState.PAUSED, consortium__in=consortia_where(user, Permission.JOB_CONTROL)
    )
    return Waiting(
        role_offers=_role_offers_to(user),
        invitations=invitations_to_answer(user),
        silos_to_confirm=list(to_confirm[:WAITING_SHOWN]),
        silos_to_enrol=list(to_enrol[:WAITING_SHOWN]),
        paused_jobs=list(paused.order_by("-created_at")[:WAITING_SHOWN]),
        agreements=versions_waiting_for(user, WAITING_SHOWN),
        plans=plans_waiting_for(user, WAITING_SHOWN),
        grown_datasets=list(growth_waiting_for(user)[:WAITING_SHOWN]),
    )


def _role_offers_to(user: User) -> list[RoleOffered]:
    at_organisations = [
        RoleOffered(offer, offer.organisation.name, "role-offer") for offer in open_role_offers_to(user)[:WAITING_SHOWN]
    ]
    in_consortia = [
        RoleOffered(offer, offer.consortium.name, "consortium-role-offer")
        for offer in consortium_role_offers_to(user)[:WAITING_SHOWN]
    ]
    return at_organisations + in_consortia


def incidents_for(user: User) -> Incidents:
    """Silent silos; jobs that failed in the last week, and paused ones that somebody else has to decide about."""
    troubled = Silo.objects.select_related("organisation", "refused_request").filter(
        Q(silent_since__isnull=False) | Q(platform_older=True),
        state=SiloState.ACTIVE,
        organisation__in=organisations_of(user),
    )
    silos = list(troubled.order_by("silent_since")[: 2 * WAITING_SHOWN])
    failed = Q(state=JobState.FAILED, ended_at__gte=timezone.now() - INCIDENTS_FOR)
    paused = Q(state=JobState.PAUSED) & ~Q(consortium__in=consortia_where(user, Permission.JOB_CONTROL))
    jobs = jobs_visible_to(user).filter(failed | paused).order_by("-created_at")
    return Incidents(
        silent_silos=[silo for silo in silos if silo.silent_since is not None][:WAITING_SHOWN],
        silos_ahead=[silo for silo in silos if silo.platform_older][:WAITING_SHOWN],
        jobs=list(jobs[:WAITING_SHOWN]),
        absences=absences_of(user)[:WAITING_SHOWN],
    )
