"""REST: plans, their source, and what is stated about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from consortia.access import access_consortium
from federation.errors import Invalid
from federation.plans.declaration import SOURCE_BYTES_MAX
from plans import actions
from plans.filters import PlanFilter
from plans.models import TrainingPlan, Via
from plans.permissions import access_plan, access_plan_for_organisation
from plans.selectors import plans_visible_to, reviews_of
from plans.serializers import (
    NewPlan,
    NewPlanFile,
    PlanDetailOut,
    PlanOut,
    ReviewersOut,
    ReviewUpload,
    SignedReviewOut,
    plan_json,
    review_list,
)
from rest.downloads import attachment
from rest.idempotency import idempotent
from rest.parsers import PlainJSONParser
from rest.serializers import validated

READ, WRITE = Scope.PLANS_READ, Scope.PLANS_WRITE
EXAMPLE = """PLAN = {
    "interface": 1,
    "title": "Logistic regression",
    "parameters": [{"name": "weight", "shape": [1, "n_features"]}, {"name": "bias", "shape": [1], "start": "zeros"}],
}


def predict(parameters, features):
    return features @ parameters["weight"].T + parameters["bias"]
"""


class Plans(ListAPIView[TrainingPlan]):
    """The training plans of your consortia, newest first."""

    scopes = {"GET": READ, "POST": WRITE}
    queryset = TrainingPlan.objects.none()
    serializer_class = PlanOut
    filterset_class = PlanFilter
    page_ordering = ("-uploaded_at", "id")
    parser_classes = (PlainJSONParser, MultiPartParser)

    def get_queryset(self) -> QuerySet[TrainingPlan]:
        """Those that the asker sees."""
        return plans_visible_to(signed_in(self.request)).defer("source", "declaration")

    @extend_schema(
        request={"application/json": NewPlan, "multipart/form-data": NewPlanFile},
        responses={200: PlanDetailOut, 201: PlanDetailOut},
        examples=[
            OpenApiExample(
                "A plan as text",
                request_only=True,
                media_type="application/json",
                value={"consortium": "0b8f7c9e-2d54-4c7a-9a63-5d0c4f1e2a70", "text": EXAMPLE},
            )
        ],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Upload a plan, as a file or as text. It is read and never run; the same file again is the plan known here."""
        user = signed_in(request)
        given = _given(request)
        consortium = access_consortium(user, given.consortium, Permission.PLAN_UPLOAD)
        with problems_at(given.member):
            uploaded = actions.upload(consortium=consortium, source=given.source, by=user)
        plan = actions.propose(plan=uploaded.plan, by=user) if given.propose else uploaded.plan
        return Response(plan_json(plan), status=201 if uploaded.new else 200)


@dataclass(frozen=True)
class _Given:
    consortium: UUID
    member: str
    """Where the source stood."""
    source: bytes
    propose: bool


def _given(request: Request) -> _Given:
    """What a form or JSON says."""
    if (request.content_type or "").startswith("multipart/"):
        reader = NewPlanFile(data=request.data)
        reader.is_valid(raise_exception=True)
        values: dict[str, Any] = reader.validated_data
        source = values["file"].read(SOURCE_BYTES_MAX + 1)
        return _Given(values["consortium"], "file", source, values["propose"])
    values = validated(NewPlan, request)
    return _Given(values["consortium"], "text", values["text"].encode(), values["propose"])


@contextmanager
def problems_at(member: str) -> Iterator[None]:
    """What is wrong with a file as a whole is wrong with the member that holds it."""
    try:
        yield
    except Invalid as error:
        if error.fields:
            raise
        raise Invalid(error.code, error.message, member) from error


class OnePlan(APIView):
    """A training plan."""

    scopes = {"GET": READ}

    @extend_schema(responses=PlanDetailOut)
    def get(self, request: Request, plan_id: UUID) -> Response:
        """What it declares, whether the agreement names it, and how every member stands to it."""
        return Response(plan_json(access_plan(signed_in(request), plan_id)))


class PythonRenderer(BaseRenderer):
    """For clients that ask for Python; an error is reported in JSON all the same."""

    media_type = "text/x-python"
    format = "python"

    def render(self, data: Any, media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """JSON, of errors alone."""
        return JSONRenderer().render(data, media_type, renderer_context)


class PlanSource(APIView):
    """The file itself."""

    scopes = {"GET": READ}
    renderer_classes = (JSONRenderer, PythonRenderer)

    @extend_schema(responses={(200, "text/x-python"): OpenApiTypes.STR})
    def get(self, request: Request, plan_id: UUID) -> HttpResponse:
        """The bytes as they were uploaded: their SHA-256 is the plan's hash."""
        return source_answer(access_plan(signed_in(request), plan_id))


def source_answer(plan: TrainingPlan) -> HttpResponse:
    """The file, to be saved and never shown or run by a browser."""
    return attachment(bytes(plan.source), plan.file_name, "text/x-python; charset=utf-8")


def reviews_answer(plan: TrainingPlan) -> HttpResponse:
    """The signed reviews as a file."""
    name = f"reviews-{plan.digest.removeprefix('sha256:')[:12]}.json"
    return attachment(json.dumps(review_list(reviews_of(plan))), name, "application/json")


class ProposePlan(APIView):
    """A plan goes before the members."""

    scopes = {"POST": WRITE}

    @extend_schema(request=None, responses=PlanDetailOut)
    @idempotent()
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Ask the members' stewards to read it; they are informed."""
        user = signed_in(request)
        plan = access_plan(user, plan_id, Permission.PLAN_UPLOAD)
        return Response(plan_json(actions.propose(plan=plan, by=user)))


class Reviews(APIView):
    """Reviews that were signed on premises."""

    scopes = {"GET": READ, "POST": WRITE}

    @extend_schema(responses=SignedReviewOut(many=True))
    def get(self, request: Request, plan_id: UUID) -> Response:
        """All that members have signed of this file: what `silo-connector approve --reviews` reads."""
        return Response(review_list(reviews_of(access_plan(signed_in(request), plan_id))))

    @extend_schema(request=ReviewUpload, responses=ReviewersOut)
    @idempotent()
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Hand in a review of an organisation of which you are steward."""
        user = signed_in(request)
        plan, _ = access_plan_for_organisation(user, plan_id)
        document = json.dumps(validated(ReviewUpload, request)["document"]).encode()
        taken = actions.accept_review(envelope=document, plan=plan, by=user, via=Via.API)
        return Response(ReviewersOut({"reviewers": taken.reviewers}).data)
