"""REST: jobs, quoted, launched, listed and steered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope, User
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.models import Consortium
from consortia.permissions import require
from rest.idempotency import idempotent
from training.engine import control
from training.launch.actions import launch
from training.launch.api import EXAMPLES, JobLaunch, LaunchTarget
from training.launch.quotes import quote
from training.models import Job
from training.permissions import access_job
from training.reading import selectors
from training.reading.filters import JobFilter
from training.reading.quote_serializers import QuoteOut
from training.reading.serializers import JobDetailOut, JobOut


class Jobs(ListAPIView[Job]):
    """The jobs of your consortia, newest first."""

    scopes = {"GET": Scope.JOBS_READ, "POST": Scope.JOBS_WRITE}
    queryset = Job.objects.none()
    serializer_class = JobOut
    filterset_class = JobFilter
    page_ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Job]:
        """Those that the asker sees."""
        return selectors.jobs_visible_to(signed_in(self.request))

    @extend_schema(request=JobLaunch, responses={201: JobDetailOut}, examples=EXAMPLES)
    @idempotent()
    def post(self, request: Request) -> Response:
        """Launch a job: everything that can be known to be wrong is stated now."""
        user = signed_in(request)
        consortium, asked = _read_launch(request, user)
        job = launch(consortium=consortium, request=asked, by=user)
        return _changed(job.id, user, 201)


class JobQuote(APIView):
    """What a job would take."""

    scopes = {"POST": Scope.JOBS_READ}

    @extend_schema(request=JobLaunch, responses=QuoteOut, examples=EXAMPLES)
    def post(self, request: Request) -> Response:
        """Weigh a launch request, with the checks of a launch: which silos, how many rows, how many bytes."""
        user = signed_in(request)
        consortium, asked = _read_launch(request, user)
        return Response(QuoteOut(quote(consortium=consortium, request=asked, by=user)).data)


class OneJob(APIView):
    """A job."""

    scopes = {"GET": Scope.JOBS_READ}

    @extend_schema(responses=JobDetailOut)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Its state and reason, the round that is open, what every silo does, and how well the model does."""
        user = signed_in(request)
        return _changed(access_job(user, job_id).id, user)


class JobPause(APIView):
    """A halt."""

    scopes = {"POST": Scope.JOBS_WRITE}

    @extend_schema(request=None, responses=JobDetailOut)
    @idempotent()
    def post(self, request: Request, job_id: UUID) -> Response:
        """Open no further round; a round that is open goes on to its end and counts."""
        user = signed_in(request)
        job = control.pause(job=access_job(user, job_id, Permission.JOB_CONTROL), by=user)
        return _changed(job.id, user)


class JobResume(APIView):
    """The end of a halt."""

    scopes = {"POST": Scope.JOBS_WRITE}

    @extend_schema(request=None, responses=JobDetailOut)
    @idempotent()
    def post(self, request: Request, job_id: UUID) -> Response:
        """Go on from where the job stands."""
        user = signed_in(request)
        job = control.resume(job=access_job(user, job_id, Permission.JOB_CONTROL), by=user)
        return _changed(job.id, user)


class JobCancel(APIView):
    """The end of a job."""

    scopes = {"POST": Scope.JOBS_WRITE}

    @extend_schema(request=None, responses=JobDetailOut)
    @idempotent()
    def post(self, request: Request, job_id: UUID) -> Response:
        """End it now: open orders are called back, model versions made so far stay."""
        user = signed_in(request)
        job = control.cancel(job=access_job(user, job_id, Permission.JOB_CONTROL), by=user)
        return _changed(job.id, user)


def _read_launch(request: Request, user: User) -> tuple[Consortium, dict[str, Any]]:
    """The consortium in which the person may launch, and the rest of the body."""
    target = LaunchTarget(data=request.data)
    target.is_valid(raise_exception=True)
    consortium = access_consortium(user, target.validated_data["consortium"])
    require(user, Permission.JOB_LAUNCH, consortium=consortium)
    asked = dict(request.data)
    del asked["consortium"]
    return consortium, asked


def _changed(job_id: UUID, user: User, status: int = 200) -> Response:
    """The job as it stands now."""
    job = selectors.jobs_visible_to(user).get(id=job_id)
    return Response(JobDetailOut(selectors.job_status(job)).data, status=status)
