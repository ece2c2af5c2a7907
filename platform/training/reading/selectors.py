"""What can be asked of jobs: where they stand, what each silo does, how well the model does."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery, prefetch_related_objects
from django.db.models.functions import Coalesce

from accounts.models import User
from consortia.selectors import consortia_visible_to
from federation.targets import Target
from federation.tasks import task_of
from registry.models import ModelVersion
from silos.models import Silo
from silos.selectors import health_of
from silos.transitions import SiloState
from training.models import Job, Order, Round, Step
from training.reading.rows import CohortRow, MetricsRow, RoundRow
from training.transitions import RoundState


def jobs_visible_to(user: User) -> QuerySet[Job]:
    """The jobs of the consortia that a person sees, each with its number of `rounds_closed`."""
    closed = Round.objects.filter(job=OuterRef("pk"), state=RoundState.CLOSED).order_by().values("job")
    return (
        Job.objects.filter(consortium__in=consortia_visible_to(user))
        .select_related("consortium", "launched_by")
        # By a subquery, which costs what a page shows; a join would count the rounds of every job first.
        .annotate(rounds_closed=Coalesce(Subquery(closed.annotate(count=Count("pk")).values("count")), 0))
        .defer("manifest")
    )


def rounds_of(job: Job) -> QuerySet[Round]:
    """The rounds of a job with their steps, orders and what was answered, in their order."""
    orders = Order.objects.select_related("submission").prefetch_related("silo__organisation")
    orders = orders.defer("envelope", "submission__document")
    steps = Step.objects.prefetch_related(Prefetch("orders", queryset=orders.order_by("silo__name")))
    rounds = Round.objects.filter(job=job).select_related("base_version")
    return rounds.prefetch_related(Prefetch("steps", queryset=steps))


def evaluated_rounds_of(job: Job) -> QuerySet[Round]:
    """The rounds that were closed, each with the silos' evaluations of the model that it began with."""
    orders = Order.objects.select_related("evaluation").prefetch_related("evaluation__silo__organisation")
    orders = orders.defer("envelope")
    steps = Step.objects.prefetch_related(Prefetch("orders", queryset=orders))
    return (
        Round.objects.filter(job=job, state=RoundState.CLOSED, base_version__isnull=False)
        .select_related("base_version__model", "job")
        .prefetch_related(Prefetch("steps", queryset=steps))
    )


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands."""

    job: Job
    current_round: RoundRow | None
    cohort: tuple[CohortRow, ...]
    best_version: ModelVersion | None
    evaluated: MetricsRow | None

    @property
    def silent(self) -> list[Silo]:
        """The silos that may work and were not heard of for a while."""
        return [
            row.cohort_member.silo
            for row in self.cohort
            if row.cohort_member.silo.state == SiloState.ACTIVE and health_of(row.cohort_member.silo) == "silent"
        ]

    @property
    def target(self) -> Target:
        """What its model is asked for; before there is one, what the data that it is for hold."""
        round_ = self.evaluated.round if self.evaluated else self.current_round.round if self.current_round else None
        version = round_.base_version if round_ else None
        return version.model.target_kind if version else self.cohort[0].cohort_member.dataset.target_kind

    @property
    def has_model(self) -> bool:
        """Whether it is about a model, and has metrics: a job of statistics is not."""
        return task_of(self.job.task).is_about_model

    @property
    def metrics(self) -> dict[str, object]:
        """The newest figures over all silos."""
        return self.evaluated.combined if self.evaluated else {}


_LONG = ("dataset__declaration", "dataset__registration", "silo__statement", "silo__certificate")
"""What nobody needs of a silo to see where it is."""


def job_status(job: Job) -> JobStatus:
    """The round that is open or was last, what the silos do in it, and how well the newest evaluated model does."""
    cohort_members = tuple(
        job.cohort_members.select_related("silo__organisation", "silo__refused_request", "dataset")
        .order_by("position")
        .defer(*_LONG)
    )
    rounds = Round.objects.filter(job=job).select_related("base_version__model", "job").defer("job__manifest")
    newest = rounds.order_by("-opened_at")
    round_ = newest.filter(state=RoundState.OPEN).first() or newest.first()
    closed = rounds.filter(state=RoundState.CLOSED).order_by("-number").first()
    _fetch_orders(
        [one for one in (round_, closed) if one],
        {cohort_member.silo_id: cohort_member.silo for cohort_member in cohort_members},
    )
    current = RoundRow(round_) if round_ else None
    evaluated = MetricsRow(closed) if closed and closed.base_version else None
    orders = {row.order.silo_id: row for row in current.current_orders} if current else {}
    evaluations = {row.silo.id: row for row in evaluated.silos} if evaluated else {}
    return JobStatus(
        job=job,
        current_round=current,
        cohort=tuple(
            CohortRow(cohort_member, orders.get(cohort_member.silo_id), evaluations.get(cohort_member.silo_id))
            for cohort_member in cohort_members
        ),
        best_version=ModelVersion.objects.filter(model=job.model_id, is_best=True).first() if job.model_id else None,
        evaluated=evaluated,
    )


def _fetch_orders(rounds: list[Round], silos: dict[UUID, Silo]) -> None:
    """The steps and orders of these rounds with what was answered; the silos are those of the cohort."""
    orders = Order.objects.select_related("submission", "evaluation").defer("envelope", "submission__document")
    steps = Step.objects.prefetch_related(Prefetch("orders", queryset=orders.order_by("silo__name")))
    prefetch_related_objects(rounds, Prefetch("steps", queryset=steps))
    for order in (order for one in rounds for step in one.steps.all() for order in step.orders.all()):
        order.silo = silos[order.silo_id]
        if hasattr(order, "evaluation"):
            order.evaluation.silo = order.silo
