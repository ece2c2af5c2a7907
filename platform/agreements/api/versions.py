"""REST: versions of agreements, their text, and the way of a version to its signatures."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from agreements.actions import drafting, lifecycle
from agreements.api.drafting import DRAFT_EXAMPLES, NewAgreement, read_body
from agreements.filters import VersionFilter
from agreements.models import AgreementVersion
from agreements.permissions import access_version
from agreements.selectors import document_of, versions_visible_to
from agreements.serializers import AgreementDetailOut, AgreementOut, OpenSigning, ReasonOptional, version_json
from agreements.terms import agreement_of
from consortia.access import access_consortium
from federation.agreements.rendering import plain_text
from rest.downloads import attachment
from rest.idempotency import idempotent
from rest.preconditions import conditional, tag
from rest.serializers import validated

READ, WRITE = Scope.AGREEMENTS_READ, Scope.AGREEMENTS_WRITE


class Versions(ListAPIView[AgreementVersion]):
    """The versions of the agreements of your consortia, newest first."""

    scopes = {"GET": READ, "POST": WRITE}
    queryset = AgreementVersion.objects.none()
    serializer_class = AgreementOut
    filterset_class = VersionFilter
    page_ordering = ("-drafted_at", "id")

    def get_queryset(self) -> QuerySet[AgreementVersion]:
        """Those that the asker sees."""
        return versions_visible_to(signed_in(self.request)).defer("payload", "envelope", "terms")

    @extend_schema(request=NewAgreement, responses={201: AgreementDetailOut}, examples=DRAFT_EXAMPLES)
    @idempotent()
    def post(self, request: Request) -> Response:
        """Draft the next version, for a consortium that you administer."""
        user = signed_in(request)
        wanted = read_body(NewAgreement, request.data)
        consortium = access_consortium(user, wanted.consortium, Permission.AGREEMENT_DRAFT)
        drafted = drafting.draft(consortium=consortium, terms=wanted.terms, note=wanted.note, by=user)
        return Response(version_json(drafted), status=201)


class OneVersion(APIView):
    """A version of an agreement."""

    scopes = {"GET": READ}

    @extend_schema(responses=AgreementDetailOut)
    @conditional
    def get(self, request: Request, agreement_version_id: UUID) -> Response:
        """Its terms, the text that is made of them, its state, and who has signed. `ETag` is the `terms_digest`."""
        version = access_version(signed_in(request), agreement_version_id)
        return Response(version_json(version), headers=tag(version.terms_digest))


class TextRenderer(JSONRenderer):
    """For clients that ask for plain text; an error is reported in JSON all the same."""

    media_type = "text/plain"
    format = "text"


class VersionText(APIView):
    """A version as people read it."""

    scopes = {"GET": READ}
    renderer_classes = (JSONRenderer, TextRenderer)

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request, agreement_version_id: UUID) -> HttpResponse:
        """The text that `silo-connector sign` shows, with the hash of the bytes that it was made from."""
        version = access_version(signed_in(request), agreement_version_id)
        text = plain_text(agreement_of(version), version.digest or "not fixed: the terms may still change")
        return HttpResponse(text, content_type="text/plain; charset=utf-8")


class VersionDocument(APIView):
    """A version as it is signed."""

    scopes = {"GET": READ}
    more_problems = ("409",)

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, agreement_version_id: UUID) -> HttpResponse:
        """The DSSE envelope with the signatures so far: the file that `silo-connector sign` takes."""
        return document_answer(access_version(signed_in(request), agreement_version_id))


def document_answer(version: AgreementVersion) -> HttpResponse:
    """The document as a file."""
    name = f"agreement-{version.consortium.slug}-{version.number}.json"
    return attachment(document_of(version), name, "application/json")


class Upgrade(APIView):
    """A version that binds under an older protocol is drafted again."""

    scopes = {"POST": WRITE}
    more_problems = ("409",)

    @extend_schema(request=None, responses={201: AgreementDetailOut})
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Draft the next version: the same terms, and each that the protocol has added, at its default.

        They are listed as `added_terms`. An agreement of protocol 1.0 authorises nothing until the members have signed
        such a version.
        """
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        return Response(version_json(drafting.draft_upgrade(version=version, by=user)), status=201)


class Propose(APIView):
    """A draft goes before the members."""

    scopes = {"POST": WRITE}

    @extend_schema(request=None, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Put it before the members: from now on each may change it and comment on it."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        return Response(version_json(lifecycle.propose(version=version, by=user)))


class ReturnToDraft(APIView):
    """A proposal becomes a draft again."""

    scopes = {"POST": WRITE}

    @extend_schema(request=None, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Take the proposal back; only who drafts may change it then."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        return Response(version_json(lifecycle.return_to_draft(version=version, by=user)))


class OpenSigningView(APIView):
    """The terms become bytes that are signed."""

    scopes = {"POST": WRITE}

    @extend_schema(request=OpenSigning, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Fix the bytes that every member is to sign. What prevents it is shown by field."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        seen = validated(OpenSigning, request)["seen_digest"]
        return Response(version_json(lifecycle.open_signing(version=version, seen_digest=seen, by=user)))


class Reopen(APIView):
    """The signing is stopped."""

    scopes = {"POST": WRITE}

    @extend_schema(request=ReasonOptional, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Let the terms be changed again. The signatures so far are thrown away; the version gets the next number."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_NEGOTIATE)
        reason = validated(ReasonOptional, request)["reason"]
        return Response(version_json(lifecycle.reopen(version=version, reason=reason, by=user)))


class Withdraw(APIView):
    """A version is abandoned."""

    scopes = {"POST": WRITE}

    @extend_schema(request=ReasonOptional, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Give it up before it is in force; another one can be drafted."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        reason = validated(ReasonOptional, request)["reason"]
        return Response(version_json(lifecycle.withdraw(version=version, reason=reason, by=user)))
