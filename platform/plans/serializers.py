"""How plans and what is stated about them look in JSON."""

from __future__ import annotations

import json
from typing import Any

from rest_framework import serializers

from accounts.serializers import OrganisationBrief, UserBrief
from consortia.serializers import ConsortiumBrief
from federation.plans.declaration import SOURCE_BYTES_MAX
from plans.agreement_status import wording_of
from plans.models import CodeApproval, SignedReview, TrainingPlan, Verdict
from plans.review_status import OrganisationReviewRow, organisation_review_rows
from rest.serializers import Input


class PlanOut(serializers.ModelSerializer[TrainingPlan]):
    """A plan, in a list."""

    consortium = ConsortiumBrief()
    digest = serializers.CharField(help_text="The SHA-256 of the file: what agreements, reviews and jobs name it by.")
    uploaded_by = UserBrief()
    proposed_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the members' stewards are asked to read it."
    )

    class Meta:
        model = TrainingPlan
        fields: tuple[str, ...] = ("id", "consortium", "digest", "title", "uploaded_by", "uploaded_at", "proposed_at")


class StewardVerdictOut(serializers.ModelSerializer[CodeApproval]):
    """A steward's word in the browser. It lets nothing run."""

    user = UserBrief()
    verdict = serializers.ChoiceField(choices=Verdict.choices)

    class Meta:
        model = CodeApproval
        fields = ("user", "verdict", "note", "at")


class ReviewOut(serializers.ModelSerializer[SignedReview]):
    """A review that was signed on premises."""

    verdict = serializers.ChoiceField(choices=Verdict.choices)

    class Meta:
        model = SignedReview
        fields = ("reviewer", "verdict", "note", "reviewed_at", "key_id")


class OrganisationReviewOut(serializers.Serializer[OrganisationReviewRow]):
    """A member, and how it stands to the plan."""

    organisation = OrganisationBrief()
    state = serializers.CharField(
        help_text="approved, refused, partial (of the reviewers needed), approved_in_browser or "
        "refused_in_browser (not signed yet), pending"
    )
    reviewers = serializers.IntegerField(source="n_reviewers", help_text="People who approve it by signed reviews.")
    approvals_required = serializers.IntegerField(source="needed", help_text="How many the agreement asks for.")
    verdicts = StewardVerdictOut(many=True)
    reviews = ReviewOut(many=True)


class PlanDetailOut(PlanOut):
    """A plan whole, but for its source."""

    declaration = serializers.DictField()
    is_in_agreement = serializers.BooleanField(
        help_text="Whether the agreement in force names it, and plans as a family."
    )
    members = OrganisationReviewOut(many=True)

    class Meta(PlanOut.Meta):
        fields = (*PlanOut.Meta.fields, "declaration", "is_in_agreement", "members")


def plan_json(plan: TrainingPlan) -> dict[str, Any]:
    """A plan whole, as JSON."""
    wording = wording_of(plan.consortium)
    naming = wording.of(plan)
    members: Any = organisation_review_rows(plan.consortium, [plan], wording)[plan.pk]
    return {
        **PlanOut(plan).data,
        "declaration": plan.declaration,
        "is_in_agreement": naming.in_force and naming.with_family,
        "members": OrganisationReviewOut(members, many=True).data,
    }


def review_list(reviews: Any) -> list[dict[str, Any]]:
    """The file that `silo-connector approve --reviews` reads."""
    return [
        {"organisation": review.organisation.name, "envelope": json.loads(bytes(review.envelope))} for review in reviews
    ]


class SignedReviewOut(serializers.Serializer[Any]):
    """A signed review, as it came."""

    organisation = serializers.CharField()
    envelope = serializers.DictField(help_text="a DSSE envelope")


class NewPlan(Input):
    """A plan as text."""

    consortium = serializers.UUIDField(help_text="One in which you may upload plans.")
    text = serializers.CharField(
        trim_whitespace=False,
        max_length=SOURCE_BYTES_MAX,
        help_text="The file, byte for byte in UTF-8: what is hashed and reviewed.",
    )
    propose = serializers.BooleanField(default=False, help_text="Ask the members' stewards to read it at once.")


class NewPlanFile(serializers.Serializer[Any]):
    """A plan as a file."""

    consortium = serializers.UUIDField(help_text="One in which you may upload plans.")
    file = serializers.FileField()
    propose = serializers.BooleanField(default=False, help_text="Ask the members' stewards to read it at once.")


class ReviewUpload(Input):
    """A review made on premises."""

    document = serializers.DictField(help_text="the DSSE envelope that `silo-connector approve --export` wrote")


class ReviewersOut(serializers.Serializer[Any]):
    """Where an organisation stands once its review was taken."""

    reviewers = serializers.IntegerField(help_text="People of that organisation who approve the code now.")
