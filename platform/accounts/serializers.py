"""How organisations, people, roles, keys and tokens look in JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import (
    ApiToken,
    OfferAnswer,
    Organisation,
    OrganisationKind,
    OrganisationRole,
    OrganisationRoleOffer,
    Scope,
    SignatoryKey,
    User,
)
from accounts.models.organisation import SLUG_PATTERN
from accounts.permissions import ORGANISATION_ROLES
from accounts.tokens import LIFETIME_MAX
from rest.names import NameInput
from rest.serializers import Input

ROLE_CHOICES = [(role.value, role.label) for role in ORGANISATION_ROLES]


PROVED = "whether the account is known to be held by the owner of its e-mail address"


class OrganisationOut(serializers.ModelSerializer[Organisation]):
    """An organisation."""

    class Meta:
        model = Organisation
        fields = ("id", "name", "slug", "country", "kind", "created_at")


class OrganisationBrief(serializers.ModelSerializer[Organisation]):
    """An organisation, as others refer to it."""

    class Meta:
        model = Organisation
        fields: tuple[str, ...] = ("id", "name", "slug")


class OrganisationEdit(Input):
    """What may be corrected."""

    name = NameInput(max_length=200)
    country = serializers.RegexField(r"^[A-Z]{2}$", help_text="ISO 3166-1 alpha-2")
    kind = serializers.ChoiceField(choices=OrganisationKind.choices)


class NewOrganisation(OrganisationEdit):
    """An organisation to take in."""

    slug = serializers.RegexField(SLUG_PATTERN, max_length=60)


class UserBrief(serializers.ModelSerializer[User]):
    """A person, as others refer to them."""

    class Meta:
        model = User
        fields = ("id", "full_name")


class UserOut(serializers.ModelSerializer[User]):
    """A person's account."""

    is_email_verified = serializers.BooleanField(source="is_proved", read_only=True, help_text=PROVED)

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "id",
            "email",
            "full_name",
            "is_active",
            "is_platform_administrator",
            "is_email_verified",
            "created_at",
            "last_login",
        )


class NewUser(Input):
    """A person to take in, with or without roles in an organisation."""

    email = serializers.EmailField(max_length=254)
    full_name = NameInput(max_length=200)
    organisation = serializers.UUIDField(required=False, help_text="left out by platform administrators only")
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=ROLE_CHOICES), max_length=len(ROLE_CHOICES), required=False, default=list
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Roles are held somewhere. Anyone who comes without one holds none until one is given to them."""
        if attrs["roles"] and "organisation" not in attrs:
            raise serializers.ValidationError({"organisation": ["Name the organisation of these roles."]})
        attrs["roles"] = sorted(set(attrs["roles"]))
        return attrs


class UserEdit(Input):
    """Open or close an account."""

    is_active = serializers.BooleanField()


class Person(serializers.ModelSerializer[User]):
    """Somebody who belongs to an organisation, and as what."""

    is_email_verified = serializers.BooleanField(source="is_proved", read_only=True, help_text=PROVED)
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "email", "full_name", "is_active", "is_email_verified", "roles")

    def get_roles(self, person: User) -> list[str]:
        """The roles they hold in it."""
        return [held.role for held in getattr(person, "roles_here", ())]


class OrganisationRoleOut(serializers.ModelSerializer[OrganisationRole]):
    """A role that somebody holds in an organisation."""

    user = UserBrief()

    class Meta:
        model = OrganisationRole
        fields = ("id", "user", "role", "granted_at")


class OrganisationRoleOfferOut(serializers.ModelSerializer[OrganisationRoleOffer]):
    """A role that somebody is offered in an organisation, and their answer (empty while open)."""

    organisation = OrganisationBrief()
    user = UserBrief()
    answer = serializers.ChoiceField(choices=OfferAnswer.choices, allow_blank=True)

    class Meta:
        model = OrganisationRoleOffer
        fields = ("id", "organisation", "user", "role", "offered_at", "answer", "answered_at")


class NewOrganisationRole(Input):
    """A role for somebody who has an account: theirs at once where they are at home alone, else offered."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLE_CHOICES)


class SignatoryKeyOut(serializers.ModelSerializer[SignatoryKey]):
    """A key by which an organisation signs, or signed."""

    public_key = serializers.CharField(source="key.encoded", help_text="base64 of the 32 raw bytes")
    fingerprint = serializers.CharField()

    class Meta:
        model = SignatoryKey
        fields = ("id", "key_id", "public_key", "fingerprint", "state", "added_at", "revoked_at")


class NewSignatoryKey(Input):
    """The public half of a signatory key."""

    public_key = serializers.CharField(max_length=100, help_text="base64 of the 32 raw bytes of an Ed25519 public key")


class TokenOut(serializers.ModelSerializer[ApiToken]):
    """A token, without its text."""

    second_factor_verified = serializers.BooleanField(
        source="factor_shown",
        read_only=True,
        help_text="Whether the session that made it had verified its second factor.",
    )

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "id",
            "name",
            "scopes",
            "second_factor_verified",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )


class TokenCreated(TokenOut):
    """A new token; its text is shown this once."""

    token = serializers.CharField(read_only=True, allow_null=True)

    class Meta(TokenOut.Meta):
        fields: tuple[str, ...] = (*TokenOut.Meta.fields, "token")


class NewToken(Input):
    """A token to make for oneself."""

    name = NameInput(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), min_length=1, max_length=len(Scope)
    )
    expires_in_days = serializers.IntegerField(min_value=1, max_value=LIFETIME_MAX.days, default=90)
