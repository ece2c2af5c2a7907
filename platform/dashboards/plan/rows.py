"""What the pages of training plans show, as plain rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Organisation, User
from accounts.permissions import Permission
from agreements.selectors import organisations_in
from consortia.models import Consortium
from federation.errors import Invalid
from federation.learning.models.plan import layout
from plans.agreement_status import Naming, Wording
from plans.models import CodeApproval, TrainingPlan
from plans.review_status import OrganisationReviewRow
from silos.models import Dataset
from silos.selectors import datasets_visible_to, silos_of


@dataclass(frozen=True)
class PlanRow:
    """A plan in the list."""

    plan: TrainingPlan
    naming: Naming
    organisations: tuple[OrganisationReviewRow, ...]

    @property
    def n_approved(self) -> int:
        """Members whose silos may run it, as far as reviews go."""
        return sum(organisation.state == "approved" for organisation in self.organisations)

    @property
    def n_refused(self) -> int:
        """Members that refuse it."""
        return sum(organisation.state == "refused" for organisation in self.organisations)


def plan_rows(
    plans: Sequence[TrainingPlan], wording: Wording, organisations: dict[UUID, list[OrganisationReviewRow]]
) -> list[PlanRow]:
    """The plans in the order given."""
    return [PlanRow(plan, wording.of(plan), tuple(organisations[plan.pk])) for plan in plans]


@dataclass(frozen=True)
class TensorRow:
    """A declared tensor: its shape as it is written, and for the chosen data."""

    name: str
    declared: str
    shape: str
    count: int | None
    start: str


@dataclass(frozen=True)
class Tensors:
    """The tensors of a plan for a data set."""

    rows: tuple[TensorRow, ...]
    total: int | None
    problem: Invalid | None = None


def tensors_of(plan: TrainingPlan, dataset: Dataset | None) -> Tensors:
    """The declared tensors; with a data set, how many numbers each has for it."""
    specification = plan.specification
    shapes: dict[str, tuple[int, ...]] = {}
    problem = None
    if dataset is not None:
        try:
            shapes = {one.name: one.shape for one in layout(specification, dataset.n_features, dataset.target_kind)}
        except Invalid as error:
            problem = error
    rows = tuple(
        TensorRow(
            one.name,
            _written(one.shape),
            _written(shapes[one.name]) if one.name in shapes else "–",
            math.prod(shapes[one.name]) if one.name in shapes else None,
            one.start,
        )
        for one in specification.parameters
    )
    return Tensors(rows, sum(row.count or 0 for row in rows) if shapes else None, problem)


def _written(shape: Sequence[int | str]) -> str:
    return " × ".join(map(str, shape)) or "1"


def offered_data(user: User, consortium: Consortium) -> list[Dataset]:
    """One data set of each schema on offer in the consortium."""
    found = datasets_visible_to(user).filter(withdrawn_at=None, silo__in=silos_of(consortium))
    rows = found.order_by("name", "registered_at").defer("declaration", "registration")
    return list({dataset.schema_digest: dataset for dataset in reversed(rows)}.values())[::-1]


@dataclass(frozen=True)
class OwnPart:
    """A steward's organisation, how it stands to a plan, and the steward's own word."""

    organisation: Organisation
    row: OrganisationReviewRow
    word: CodeApproval | None


def own_parts(user: User, consortium: Consortium, organisations: Sequence[OrganisationReviewRow]) -> list[OwnPart]:
    """The members for which a person reviews code."""
    mine = set(organisations_in(user, consortium, Permission.PLAN_REVIEW).values_list("pk", flat=True))
    return [
        OwnPart(row.organisation, row, next((word for word in row.verdicts if word.user_id == user.pk), None))
        for row in organisations
        if row.organisation.pk in mine
    ]


@dataclass(frozen=True)
class Commands:
    """What is typed on premises, at a trainer or on a machine apart."""

    at_trainer: str
    apart: str


def commands_for(plan: TrainingPlan) -> Commands:
    """With the names of the files as they are downloaded."""
    reviews = f"reviews-{plan.digest.removeprefix('sha256:')[:12]}.json"
    both = f'silo-connector approve {plan.file_name} --reviewer "YOUR NAME" --reviews {reviews} --key signatory.key'
    return Commands(f"{both} --config connector.toml", f"{both} --export review.json")
