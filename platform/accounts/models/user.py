"""A person who signs in."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from rest.names import NameField

_DOMAIN_LENGTH_MAX = 253
_NEEDLESSLY_QUOTED = re.compile(r'^"([a-z0-9!#$%&\'*+/=?^_`{}|~-]+(?:\.[a-z0-9!#$%&\'*+/=?^_`{}|~-]+)*)"$')


class UserManager(BaseUserManager["User"]):
    """People are found by their e-mail address, whatever its case and spelling."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The person with this address. Raises User.DoesNotExist."""
        found = self.with_address(username or "")
        if found is None:
            raise User.DoesNotExist
        return found

    def with_address(self, email: str) -> User | None:
        """The person who is known by this address, None if nobody is.

        Of two accounts from before one address had one spelling, one still holds another (migration 0010): who writes
        just that one means that account.
        """
        typed, compared = email.strip().lower(), normalise_email(email)
        found = {user.email: user for user in self.filter(email__in={typed, compared})}
        return found.get(typed) or found.get(compared)


def normalise_email(email: str) -> str:
    """The form in which an address is stored and compared: one for all spellings under which e-mail reaches it.

    The domain is read as it is looked up (RFC 3490): wide letters, blank ones and Punycode make no other address.
    Nor do quotes around a local part that needs none (RFC 5321, 4.1.2).
    """
    local, at, domain = email.strip().lower().rpartition("@")
    local = _NEEDLESSLY_QUOTED.sub(r"\1", local)
    with suppress(UnicodeError):  # no domain that can be looked up: it stays as it was typed
        domain = domain[:_DOMAIN_LENGTH_MAX].encode("idna").decode("idna").lower() + domain[_DOMAIN_LENGTH_MAX:]
    return f"{local}{at}{domain}"


class User(AbstractBaseUser):
    """A person, who signs in with an e-mail address and acts by the roles that others have granted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    full_name = NameField(max_length=200)
    is_active = models.BooleanField(default=True)
    is_platform_administrator = models.BooleanField(default=False)
    home = models.ForeignKey(
        "accounts.Organisation",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        help_text="The organisation for which the account was made; what a person may do comes from roles alone.",
    )
    language = models.CharField(max_length=10, blank=True, default="", help_text="Empty: as the browser asks.")
    time_zone = models.CharField(max_length=64, blank=True, default="", help_text="Empty: as the settings say.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    proved_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When its owner showed that the e-mail address is theirs. Empty: perhaps somebody else holds it.",
    )

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]

    actor_kind: ClassVar[str] = "user"

    class Meta:
        ordering = ("email",)
        constraints = (
            models.UniqueConstraint(
                name="user_email_unique",
                fields=("email",),
                violation_error_code="user.email_taken",
                violation_error_message="Somebody has an account with this e-mail address.",
            ),
            models.CheckConstraint(name="user_email_lower_case", condition=models.Q(email=Lower("email"))),
        )

    def __str__(self) -> str:
        return self.full_name

    @property
    def is_proved(self) -> bool:
        """Whether the account is known to be held by the owner of its e-mail address."""
        return self.proved_at is not None

    @property
    def has_been_used(self) -> bool:
        """Whether somebody has ever chosen a password for this account, or signed in by it."""
        return self.has_usable_password() or self.last_login is not None

    @property
    def actor_id(self) -> str:
        """The id under which events name this person."""
        return str(self.pk)

    @property
    def actor_name(self) -> str:
        """The name under which events show this person."""
        return self.full_name
