"""How consortia, participants, invitations and roles look in JSON."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import OfferAnswer
from accounts.models.organisation import SLUG_PATTERN
from accounts.permissions import CONSORTIUM_ROLES, ORGANISATION_ROLES, Permission
from accounts.serializers import OrganisationBrief, UserBrief
from consortia.models import (
    Consortium,
    ConsortiumRole,
    ConsortiumRoleOffer,
    Invitation,
    InvitationAnswer,
    Participation,
)
from rest.names import NameInput
from rest.serializers import Input

ROLE_CHOICES = [(role.value, role.label) for role in CONSORTIUM_ROLES]


class ConsortiumOut(serializers.ModelSerializer[Consortium]):
    """A consortium."""

    founded_by = UserBrief()

    class Meta:
        model = Consortium
        fields = ("id", "name", "slug", "description", "founded_by", "founded_at")


class ConsortiumBrief(serializers.ModelSerializer[Consortium]):
    """A consortium, as others refer to it."""

    class Meta:
        model = Consortium
        fields: tuple[str, ...] = ("id", "name", "slug")


class ConsortiumEdit(Input):
    """What may be stated better."""

    name = NameInput(max_length=200)
    description = serializers.CharField(max_length=4000, allow_blank=True, default="")


class NewConsortium(ConsortiumEdit):
    """A consortium to found."""

    slug = serializers.RegexField(SLUG_PATTERN, max_length=60)
    organisation = serializers.UUIDField(
        required=False, help_text="the first member: yours. Left out by platform administrators only"
    )


class ParticipationOut(serializers.ModelSerializer[Participation]):
    """Where an organisation stands in the consortium."""

    organisation = OrganisationBrief()

    class Meta:
        model = Participation
        fields = ("organisation", "state", "joined_at", "left_at")


class Removal(Input):
    """Why an organisation is removed."""

    reason = serializers.CharField(max_length=2000, help_text="recorded for good, where its people read it too")


class NewInvitation(Input):
    """An organisation to invite, by its slug."""

    organisation = serializers.RegexField(SLUG_PATTERN, max_length=60)
    message = serializers.CharField(max_length=2000, allow_blank=True, default="")


class InvitedTo(serializers.ModelSerializer[Consortium]):
    """What an invited organisation is shown of a consortium before it joins."""

    class Meta:
        model = Consortium
        fields = ("id", "name", "slug", "description")


class InvitationOut(serializers.ModelSerializer[Invitation]):
    """An invitation and its answer (empty while open)."""

    consortium = InvitedTo(source="participation.consortium")
    organisation = OrganisationBrief(source="participation.organisation")
    invited_by = UserBrief(allow_null=True)
    answer = serializers.ChoiceField(choices=InvitationAnswer.choices, allow_blank=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "consortium",
            "organisation",
            "message",
            "invited_by",
            "invited_at",
            "answer",
            "answered_at",
        )


class ConsortiumRoleOut(serializers.ModelSerializer[ConsortiumRole]):
    """A role that somebody holds in the consortium."""

    user = UserBrief()

    class Meta:
        model = ConsortiumRole
        fields = ("id", "user", "role", "granted_at")


class ConsortiumRoleOfferOut(serializers.ModelSerializer[ConsortiumRoleOffer]):
    """A role that somebody is offered in the consortium, and their answer (empty while open)."""

    consortium = ConsortiumBrief()
    user = UserBrief()
    answer = serializers.ChoiceField(choices=OfferAnswer.choices, allow_blank=True)

    class Meta:
        model = ConsortiumRoleOffer
        fields = ("id", "consortium", "user", "role", "offered_at", "answer", "answered_at")


class NewConsortiumRole(Input):
    """A role to offer to somebody who has an account."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLE_CHOICES)


class MyOrganisation(OrganisationBrief):
    """An organisation that you belong to, and as what."""

    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=[(role.value, role.label) for role in ORGANISATION_ROLES])
    )

    class Meta(OrganisationBrief.Meta):
        fields: tuple[str, ...] = (*OrganisationBrief.Meta.fields, "roles")


class MyConsortium(ConsortiumBrief):
    """A consortium that you see, and what you may do in it."""

    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=[permission.value for permission in Permission])
    )

    class Meta(ConsortiumBrief.Meta):
        fields: tuple[str, ...] = (*ConsortiumBrief.Meta.fields, "permissions")


class Me(serializers.Serializer[object]):
    """Who you are here."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    full_name = serializers.CharField()
    is_platform_administrator = serializers.BooleanField()
    organisations = MyOrganisation(many=True)
    consortia = MyConsortium(many=True)
