"""REST: what happens in a job: rounds, metrics, manifest, events."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from rest.errors import NotFound
from training.models import Round
from training.permissions import access_job
from training.reading import selectors
from training.reading.event_stream import events_so_far
from training.reading.filters import RoundFilter
from training.reading.serializers import EnvelopeOut, MetricsOut, RoundOut, ServerSentEvent
from training.reading.statistics import StatisticsOut, released_by


class Rounds(ListAPIView[Round]):
    """The rounds of a job in their order, with what each silo did; a round that was abandoned has further attempts."""

    scopes = {"GET": Scope.JOBS_READ}
    queryset = Round.objects.none()
    serializer_class = RoundOut
    filterset_class = RoundFilter
    page_ordering = ("number", "attempt")

    def get_queryset(self) -> QuerySet[Round]:
        """Those of the job."""
        return selectors.rounds_of(access_job(signed_in(self.request), self.kwargs["job_id"]))


class Metrics(ListAPIView[Round]):
    """How the model did, round after round, over all silos and at each of them."""

    scopes = {"GET": Scope.JOBS_READ}
    queryset = Round.objects.none()
    serializer_class = MetricsOut
    filter_backends = ()
    page_ordering = ("number", "attempt")

    def get_queryset(self) -> QuerySet[Round]:
        """Those that were closed."""
        return selectors.evaluated_rounds_of(access_job(signed_in(self.request), self.kwargs["job_id"]))


class JobManifest(APIView):
    """What the job is, signed."""

    scopes = {"GET": Scope.JOBS_READ}

    @extend_schema(responses=EnvelopeOut)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The DSSE envelope, byte for byte; 404 `manifest.not_found` until the job has started."""
        job = access_job(signed_in(request), job_id)
        if job.manifest is None:
            raise NotFound.of("manifest")
        return HttpResponse(bytes(job.manifest), content_type="application/json")


class JobStatistics(APIView):
    """What a job of statistics has released."""

    scopes = {"GET": Scope.JOBS_READ}

    @extend_schema(responses=StatisticsOut)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Its figures over all silos; 404 `statistics.not_found` until they are there."""
        released = released_by(access_job(signed_in(request), job_id))
        if released is None:
            raise NotFound.of("statistics")
        return Response(StatisticsOut(released).data)


class EventStreamRenderer(JSONRenderer):
    """For clients that ask for a stream of events; an error is reported in JSON all the same."""

    media_type = "text/event-stream"
    format = "events"


class JobEvents(APIView):
    """What happens in a job, as it happens."""

    scopes = {"GET": Scope.JOBS_READ}
    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(
        parameters=[
            OpenApiParameter("Last-Event-ID", OpenApiTypes.STR, OpenApiParameter.HEADER, description="Go on after it."),
            OpenApiParameter("after", OpenApiTypes.STR, description="The same, for clients that can't set headers."),
        ],
        responses={(200, "text/event-stream"): ServerSentEvent},
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """Server-sent events, each with the id of its audit event. The last one is `end`, once the job has ended.

        The web process answers this beside Django and keeps the stream open; here are the events so far.
        """
        job = access_job(signed_in(request), job_id)
        reported = events_so_far(job, request.headers, request.META.get("QUERY_STRING", ""))
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(reported, content_type="text/event-stream; charset=utf-8", headers=headers)
