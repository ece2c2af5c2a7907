"""REST: what members do with a version: change it, comment on it, sign it, suspend it, end it."""

from __future__ import annotations

import json
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.permissions import Permission
from agreements.actions import drafting, signing, suspension
from agreements.api.drafting import REVISION_EXAMPLES, CounterProposal, read_body
from agreements.api.versions import READ, WRITE
from agreements.models import Comment, Revision, Via
from agreements.permissions import access_version, access_version_for_organisation, access_version_to_revise
from agreements.selectors import comments_of, revisions_of
from agreements.serializers import (
    AgreementDetailOut,
    CommentOut,
    NewComment,
    OrganisationScope,
    ReasonRequired,
    RevisionOut,
    SignatureUpload,
    SigningOut,
    SuspensionIn,
    SuspensionOut,
    version_json,
)
from rest.idempotency import idempotent
from rest.preconditions import conditional, seen_digest_of, tag
from rest.serializers import validated


class Revisions(ListAPIView[Revision]):
    """The wordings of a version, the first one first."""

    scopes = {"GET": READ, "POST": WRITE}
    queryset = Revision.objects.none()
    serializer_class = RevisionOut
    page_ordering = ("number", "id")

    def get_queryset(self) -> QuerySet[Revision]:
        """Those of the version."""
        return revisions_of(access_version(signed_in(self.request), self.kwargs["agreement_version_id"]))

    @extend_schema(request=CounterProposal, responses={201: AgreementDetailOut}, examples=REVISION_EXAMPLES)
    @conditional
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Say it otherwise: an edit of a draft that is yours, a counter-proposal for a member."""
        user = signed_in(request)
        version = access_version_to_revise(user, agreement_version_id)
        wanted = read_body(CounterProposal, request.data)
        with seen_digest_of(request, version.terms_digest):
            revised = drafting.revise(
                version=version,
                terms=wanted.terms,
                note=wanted.note,
                seen_digest=wanted.seen_digest,
                reopen=wanted.reopen,
                by=user,
            )
        return Response(version_json(revised), status=201, headers=tag(revised.terms_digest))


class Comments(ListAPIView[Comment]):
    """What was said about the clauses of a version."""

    scopes = {"GET": READ, "POST": WRITE}
    queryset = Comment.objects.none()
    serializer_class = CommentOut
    page_ordering = ("at", "id")

    def get_queryset(self) -> QuerySet[Comment]:
        """Those of the version."""
        return comments_of(access_version(signed_in(self.request), self.kwargs["agreement_version_id"]))

    @extend_schema(request=NewComment, responses={201: CommentOut})
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Say something about a clause, for a member."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_NEGOTIATE)
        statement = drafting.comment(version=version, **validated(NewComment, request), by=user)
        return Response(CommentOut(statement).data, status=201)


class Signatures(APIView):
    """Signatures that were made on premises."""

    scopes = {"POST": WRITE}

    @extend_schema(request=SignatureUpload, responses=SigningOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Hand in the signature of an organisation of which you are steward. The last one brings it into force."""
        user = signed_in(request)
        version, _ = access_version_for_organisation(user, agreement_version_id, Permission.AGREEMENT_APPROVE)
        document = json.dumps(validated(SignatureUpload, request)["document"]).encode()
        taken = signing.accept_signature(envelope=document, version=version, by=user, via=Via.API)
        return Response(SigningOut({"state": taken.version.state, "missing": taken.missing}).data)


class Suspend(APIView):
    """A member suspends the agreement for itself."""

    scopes = {"POST": WRITE}

    @extend_schema(request=SuspensionIn, responses={201: SuspensionOut})
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Have nothing more done at your organisation's silos under any version, from the next order on."""
        user = signed_in(request)
        wanted = validated(SuspensionIn, request)
        version, member_organisation = access_version_for_organisation(
            user, agreement_version_id, Permission.AGREEMENT_SUSPEND, wanted["organisation"]
        )
        made = suspension.suspend(
            consortium=version.consortium, organisation=member_organisation, reason=wanted["reason"], by=user
        )
        return Response(SuspensionOut(made).data, status=201)


class Lift(APIView):
    """A member lifts its suspension."""

    scopes = {"POST": WRITE}

    @extend_schema(request=OrganisationScope, responses=SuspensionOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """Let work go on at your organisation's silos. What is suspended on premises is lifted there."""
        user = signed_in(request)
        version, member_organisation = access_version_for_organisation(
            user,
            agreement_version_id,
            Permission.AGREEMENT_SUSPEND,
            validated(OrganisationScope, request)["organisation"],
        )
        return Response(
            SuspensionOut(
                suspension.lift(consortium=version.consortium, organisation=member_organisation, by=user)
            ).data
        )


class Terminate(APIView):
    """An agreement ends for everybody."""

    scopes = {"POST": WRITE}

    @extend_schema(request=ReasonRequired, responses=AgreementDetailOut)
    @idempotent()
    def post(self, request: Request, agreement_version_id: UUID) -> Response:
        """End it, for a consortium that you administer: nothing more is done under it."""
        user = signed_in(request)
        version = access_version(user, agreement_version_id, Permission.AGREEMENT_DRAFT)
        ended = suspension.terminate(version=version, reason=validated(ReasonRequired, request)["reason"], by=user)
        return Response(version_json(ended))
