"""REST: the evidence of a job."""

from __future__ import annotations

from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from consortia.permissions import require
from evidence.bundles import bundle_answer
from training.permissions import access_job


class EvidenceRenderer(JSONRenderer):
    """For clients that ask for lines of JSON; an error is reported in JSON all the same."""

    media_type = "application/jsonl"
    format = "evidence"


class JobEvidence(APIView):
    """What was signed for a job."""

    scopes = {"GET": Scope.JOBS_READ}
    renderer_classes = (JSONRenderer, EvidenceRenderer)
    more_problems = ("409",)

    @extend_schema(responses={(200, "application/jsonl"): OpenApiTypes.STR})
    def get(self, request: Request, job_id: UUID) -> StreamingHttpResponse:
        """Agreement, manifest, orders, answers, the record's chain: `python -m federation.verify` checks the bundle.

        For who may read the record of the consortium.
        """
        user = signed_in(request)
        job = access_job(user, job_id)
        require(user, Permission.EVENT_VIEW, consortium=job.consortium)
        return bundle_answer(job)
