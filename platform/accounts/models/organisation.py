"""An organisation on the platform, and the key by which it signs."""

from __future__ import annotations

import hashlib
import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.transitions import SignatoryKeyState
from federation.plans.alike import confusable_skeleton
from federation.protocol.keys import PublicKey
from rest.names import NameField

NAME_IN_USE = "Another organisation has or had this name, or one that looks like it. Choose another name."
NAME_MIXED = "A word of this name mixes letters of two scripts that look alike. Write each word in one script."
SLUG_PATTERN = r"^[a-z0-9](-?[a-z0-9])*$"
slug_is_plain = RegexValidator(SLUG_PATTERN, _("Lower-case letters and digits, with single hyphens between them."))
country_is_a_code = RegexValidator(r"^[A-Z]{2}$", _("Two capital letters (ISO 3166-1 alpha-2)."))


class OrganisationKind(models.TextChoices):
    """What sort of organisation it is."""

    HOSPITAL = "hospital", _("Hospital")
    BANK = "bank", _("Bank")
    UNIVERSITY = "university", _("University")
    COMPANY = "company", _("Company")
    AUTHORITY = "authority", _("Authority")
    OTHER = "other", _("Other")


class Organisation(models.Model):
    """A hospital, a bank or another organisation whose data never leaves it, or who coordinates those."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=200)
    slug = models.CharField(max_length=60, validators=[slug_is_plain])
    country = models.CharField(max_length=2, validators=[country_is_a_code])
    kind = models.CharField(max_length=20, choices=OrganisationKind.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                name="organisation_slug_unique",
                fields=("slug",),
                violation_error_code="organisation.slug_taken",
                violation_error_message="Another organisation has this slug.",
            ),
            models.CheckConstraint(
                name="organisation_kind_known", condition=models.Q(kind__in=OrganisationKind.values)
            ),
            models.CheckConstraint(name="organisation_slug_plain", condition=models.Q(slug__regex=SLUG_PATTERN)),
            models.CheckConstraint(name="organisation_country_code", condition=models.Q(country__regex=r"^[A-Z]{2}$")),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def facts_digest(self) -> str:
        """Which name, country and kind these are: anyone who edits them says which they have seen."""
        return hashlib.sha256(f"{self.name}\0{self.country}\0{self.kind}".encode()).hexdigest()[:32]


class OrganisationName(models.Model):
    """A name that an organisation has or had: no other one is ever called so, or so that it looks alike."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="names")
    name = NameField(max_length=200)
    likeness = models.CharField(max_length=64, editable=False)
    since = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("since", "id")
        constraints = (
            models.UniqueConstraint(
                name="organisation_name_once",
                fields=("likeness",),
                violation_error_code="organisation.name_taken",
                violation_error_message=NAME_IN_USE,
            ),
        )

    def __str__(self) -> str:
        return self.name


def likeness_of(name: str) -> str:
    """What two names have in common that a reader could take for one another, also with other spaces and signs."""
    return hashlib.sha256("".join(confusable_skeleton(name).split()).encode("utf-8", "surrogatepass")).hexdigest()


class SignatoryKey(models.Model):
    """The public half of the key with which an organisation signs; the private half never leaves its premises.

    An organisation stands by one key at a time.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="signatory_keys")
    public_key = models.BinaryField(max_length=32)
    key_id = models.CharField(max_length=40)
    state = models.CharField(
        max_length=10, choices=SignatoryKeyState.choices, default=SignatoryKeyState.ACTIVE, editable=False
    )
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    added_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-added_at", "id")
        constraints = (
            models.UniqueConstraint(
                name="signatory_key_id_unique",
                fields=("key_id",),
                violation_error_code="signatory_key.known",
                violation_error_message="This key has been registered before.",
            ),
            models.UniqueConstraint(
                name="signatory_key_one_active",
                fields=("organisation",),
                condition=models.Q(state=SignatoryKeyState.ACTIVE),
                violation_error_code="signatory_key.one_active",
                violation_error_message="The organisation has an active signatory key; revoke that one first.",
            ),
            models.CheckConstraint(
                name="signatory_key_revoked_at_iff_revoked",
                condition=models.Q(state=SignatoryKeyState.ACTIVE, revoked_at__isnull=True)
                | models.Q(state=SignatoryKeyState.REVOKED, revoked_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.key_id

    @property
    def key(self) -> PublicKey:
        """The key itself."""
        return PublicKey(bytes(self.public_key))

    @property
    def fingerprint(self) -> str:
        """What is compared by telephone."""
        return self.key.fingerprint
