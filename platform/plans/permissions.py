"""Who may see, upload and review which plan."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Organisation, User
from accounts.permissions import Permission
from agreements.selectors import organisations_in
from consortia.permissions import require
from plans.models import TrainingPlan
from plans.selectors import plans_visible_to
from rest.errors import Forbidden
from rest.lookups import get_or_not_found


def access_plan(user: User, plan_id: UUID, permission: Permission = Permission.PLAN_VIEW) -> TrainingPlan:
    """The plan, for who may do this with it. Raises NotFound alike where it is absent or hidden, else Forbidden."""
    plan = get_or_not_found(plans_visible_to(user).filter(pk=plan_id), "plan")
    require(user, permission, consortium=plan.consortium)
    return plan


def access_plan_for_organisation(
    user: User, plan_id: UUID, organisation_id: UUID | None = None
) -> tuple[TrainingPlan, Organisation]:
    """The plan, and the organisation of theirs for which they review code; which, is said where there are several.

    Raises NotFound where they don't see it, Forbidden ``permission.denied`` where they are steward of no member.
    """
    plan = access_plan(user, plan_id)
    organisations = organisations_in(user, plan.consortium, Permission.PLAN_REVIEW)
    if organisation_id is not None:
        organisations = organisations.filter(pk=organisation_id)
    organisation = organisations.first()
    if organisation is None:
        raise Forbidden(
            "permission.denied",
            "This is for the steward of an organisation that takes part, and you are none there.",
        )
    return plan, organisation
