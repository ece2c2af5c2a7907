"""REST: who takes part in a consortium, and the invitations that lead there."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in, signed_in_afresh
from accounts.models import Scope
from accounts.permissions import Permission
from consortia import invitations
from consortia.access import (
    access_consortium,
    access_invitation,
    access_invitation_to_answer,
    access_invitation_to_withdraw,
    access_participation_to_end,
    access_participation_to_leave,
)
from consortia.actions import end_participation, leave_consortium
from consortia.models import Invitation, InvitationAnswer, Participation
from consortia.selectors import invitations_visible_to, organisation_with
from consortia.serializers import InvitationOut, NewInvitation, ParticipationOut, Removal
from consortia.transitions import ParticipationState
from rest.filters import FilterSet, YesNoFilter
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY
from rest.serializers import validated


class ParticipationFilter(FilterSet):
    """By where they stand."""

    state = django_filters.ChoiceFilter(choices=ParticipationState.choices)

    class Meta:
        model = Participation
        fields: tuple[str, ...] = ()


class Participants(ListAPIView[Participation]):
    """The organisations that take part in a consortium, did, or are invited."""

    scopes = {"GET": Scope.CONSORTIA_READ, "POST": SESSION_ONLY}
    queryset = Participation.objects.none()
    serializer_class = ParticipationOut
    filterset_class = ParticipationFilter
    page_ordering = ("id",)

    def get_queryset(self) -> QuerySet[Participation]:
        """Those of the consortium."""
        consortium = access_consortium(signed_in(self.request), self.kwargs["consortium_id"])
        return consortium.participations.select_related("organisation")

    @extend_schema(request=NewInvitation, responses={201: InvitationOut})
    @idempotent()
    def post(self, request: Request, consortium_id: UUID) -> Response:
        """Invite an organisation."""
        user = signed_in_afresh(request)
        consortium = access_consortium(user, consortium_id, Permission.PARTICIPANT_INVITE)
        wanted = validated(NewInvitation, request)
        organisation = organisation_with(wanted["organisation"])
        sent = invitations.invite(consortium=consortium, organisation=organisation, message=wanted["message"], by=user)
        return Response(InvitationOut(sent).data, status=201)


class Leave(APIView):
    """An organisation leaves a consortium."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses=ParticipationOut)
    @idempotent()
    def post(self, request: Request, consortium_id: UUID, organisation_id: UUID) -> Response:
        """Leave, for an organisation of yours. Roles of its people in the consortium end with it."""
        user = signed_in_afresh(request)
        participation = access_participation_to_leave(user, consortium_id, organisation_id)
        return Response(ParticipationOut(leave_consortium(participation=participation, by=user)).data)


class Remove(APIView):
    """A consortium ends an organisation's participation."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=Removal, responses=ParticipationOut)
    @idempotent()
    def post(self, request: Request, consortium_id: UUID, organisation_id: UUID) -> Response:
        """Remove it, for a consortium that you administer. Roles of its people there end with it."""
        user = signed_in_afresh(request)
        participation = access_participation_to_end(user, consortium_id, organisation_id)
        reason = validated(Removal, request)["reason"]
        return Response(ParticipationOut(end_participation(participation=participation, reason=reason, by=user)).data)


class InvitationFilter(FilterSet):
    """Open ones only, or by their answer."""

    open = YesNoFilter(method="by_open")
    answer = django_filters.ChoiceFilter(choices=InvitationAnswer.choices)

    class Meta:
        model = Invitation
        fields: tuple[str, ...] = ()

    def by_open(self, queryset: QuerySet[Invitation], name: str, value: bool) -> QuerySet[Invitation]:
        """Whether they still wait for an answer."""
        return queryset.filter(answer="") if value else queryset.exclude(answer="")


class Invitations(ListAPIView[Invitation]):
    """Invitations to your organisations, and those of consortia that you administer."""

    scopes = {"GET": Scope.CONSORTIA_READ}
    queryset = Invitation.objects.none()
    serializer_class = InvitationOut
    filterset_class = InvitationFilter

    def get_queryset(self) -> QuerySet[Invitation]:
        """Those that the asker sees."""
        return invitations_visible_to(signed_in(self.request))


class OneInvitation(APIView):
    """An invitation."""

    scopes = {"GET": Scope.CONSORTIA_READ}

    @extend_schema(responses=InvitationOut)
    def get(self, request: Request, invitation_id: UUID) -> Response:
        """The invitation."""
        return Response(InvitationOut(access_invitation(signed_in(request), invitation_id)).data)


class Accept(APIView):
    """The answer yes."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses=ParticipationOut)
    @idempotent()
    def post(self, request: Request, invitation_id: UUID) -> Response:
        """Join the consortium, for an organisation of yours."""
        user = signed_in_afresh(request)
        invitation = access_invitation_to_answer(user, invitation_id)
        return Response(ParticipationOut(invitations.accept(invitation=invitation, by=user)).data)


class Decline(APIView):
    """The answer no."""

    scopes = {"POST": Scope.CONSORTIA_WRITE}

    @extend_schema(request=None, responses=ParticipationOut)
    @idempotent()
    def post(self, request: Request, invitation_id: UUID) -> Response:
        """Decline, for an organisation of yours. It can be invited again."""
        user = signed_in(request)
        invitation = access_invitation_to_answer(user, invitation_id)
        return Response(ParticipationOut(invitations.decline(invitation=invitation, by=user)).data)


class Withdraw(APIView):
    """Taken back before it was answered."""

    scopes = {"POST": Scope.CONSORTIA_WRITE}

    @extend_schema(request=None, responses=ParticipationOut)
    @idempotent()
    def post(self, request: Request, invitation_id: UUID) -> Response:
        """Take the invitation back, for a consortium that you administer."""
        user = signed_in(request)
        invitation = access_invitation_to_withdraw(user, invitation_id)
        return Response(ParticipationOut(invitations.withdraw(invitation=invitation, by=user)).data)
