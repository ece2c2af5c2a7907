"""What is done to organisations, people, the roles they hold and the keys they sign with."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts import dispatch
from accounts.credentials import end_credentials
from accounts.models import Organisation, OrganisationRole, SignatoryKey, User
from accounts.models.user import normalise_email
from accounts.names import claim_name
from accounts.permissions import Role
from accounts.transitions import SignatoryKeyState, check_signatory_key_transition
from audit.actions import record
from audit.actors import Actor
from federation.protocol.keys import PublicKey
from rest.errors import CHANGED_MEANWHILE, Conflict


@transaction.atomic
def create_organisation(*, name: str, slug: str, country: str, kind: str, by: Actor) -> Organisation:
    """Take an organisation onto the platform. Raises Conflict `organisation.name_taken`."""
    organisation = Organisation.objects.create(name=name, slug=slug, country=country, kind=kind)
    claim_name(organisation, name)
    record(
        by=by,
        verb="organisation.created",
        subject=organisation,
        organisation_id=organisation.id,
        detail={"name": name, "slug": slug},
    )
    return organisation


@transaction.atomic
def edit_organisation(
    *, organisation: Organisation, name: str, country: str, kind: str, seen: str | None = None, by: Actor
) -> Organisation:
    """Correct what is known of an organisation; its slug stays, and its names before stay its own.

    `seen` is the `facts_digest` that the person who edits had before them. Raises Conflict
    `organisation.changed_meanwhile` where it is another one by now, `organisation.name_taken` where the name is, or
    was, another organisation's. None overwrites whatever is there.
    """
    locked = Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    if seen is not None and seen != locked.facts_digest:
        raise Conflict("organisation.changed_meanwhile", CHANGED_MEANWHILE)
    before = {"name_before": locked.name} if locked.name != name else {}
    if locked.name != name:
        claim_name(locked, name)
    locked.name, locked.country, locked.kind = name, country, kind
    locked.save(update_fields=["name", "country", "kind"])
    record(
        by=by,
        verb="organisation.edited",
        subject=locked,
        organisation_id=locked.id,
        detail={"name": name, "country": country, "kind": kind, **before},
    )
    return locked


@transaction.atomic
def create_user(
    *,
    email: str,
    full_name: str,
    by: Actor,
    password: str | None = None,
    password_hash: str | None = None,
    is_platform_administrator: bool = False,
    organisation: Organisation | None = None,
    roles: Iterable[Role | str] = (),
    is_proved: bool = False,
) -> User:
    """Make an account, with roles in an organisation. Without a password its owner sets one (see `accounts.welcome`).

    `password_hash` is for many who share a password: it was checked and hashed before, which takes half a second.
    `is_proved` is for commands: anyone who runs one vouches that the account is its owner's.
    Raises Conflict `email.not_configured` where a person makes it and no e-mail leaves, Django's ValidationError for a
    weak password.
    """
    invited = password is None and password_hash is None
    if invited and isinstance(by, User):
        check_email_leaves()
    user = User(
        email=normalise_email(email),
        full_name=full_name,
        is_platform_administrator=is_platform_administrator,
        home=organisation,
        proved_at=timezone.now() if is_proved else None,
    )
    if password is not None:
        validate_password(password, user)
    if password_hash is not None:
        user.password = password_hash
    else:
        user.set_password(password)
    user.save(force_insert=True)
    record(
        by=by,
        verb="user.created",
        subject=user,
        organisation_id=organisation.id if organisation else None,
        detail={"person": full_name, "platform_administrator": is_platform_administrator},
    )
    if organisation is not None:
        for role in roles:
            grant_role(user=user, organisation=organisation, role=role, by=by)
    if invited:
        dispatch.send_welcome(user.pk)
    return user


def check_email_leaves() -> None:
    """Raise Conflict `email.not_configured` on a platform that can't send anybody a link."""
    if not settings.EMAIL_CONFIGURED:
        raise Conflict(
            "email.not_configured",
            _("This platform sends no e-mail, so nobody can be invited. Its operator sets EMAIL_URL."),
        )


@transaction.atomic
def set_password(*, user: User, password: str, by: Actor) -> User:
    """Choose a new password: other sessions of this person end. Raises Django's ValidationError for a weak one."""
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    record(by=by, verb="user.password_set", subject=user)
    return user


@transaction.atomic
def renew_welcome(*, user: User, by: Actor) -> User:
    """Send somebody a new link at which to choose their first password, to their own address.

    Raises Conflict `user.has_password` or `email.not_configured`.
    """
    if user.has_usable_password():
        raise Conflict(
            "user.has_password",
            _("This person has a password. Who has forgotten theirs asks for a new one at the sign-in page."),
        )
    check_email_leaves()
    record(by=by, verb="user.welcome_renewed", subject=user, detail={"person": user.full_name})
    dispatch.send_welcome(user.pk)
    return user


@transaction.atomic
def deactivate_user(*, user: User, by: Actor) -> User:
    """Nobody signs in by this account any more; its sessions and tokens end for good. Raises Conflict `user.self`."""
    if isinstance(by, User) and by.pk == user.pk:
        raise Conflict("user.self", "Nobody closes their own account; another administrator does.")
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_credentials(user)
    record(by=by, verb="user.deactivated", subject=user)
    return user


@transaction.atomic
def reactivate_user(*, user: User, by: Actor) -> User:
    """The account works again, with the roles it had; its owner signs in again."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    record(by=by, verb="user.reactivated", subject=user)
    return user


@transaction.atomic
def grant_role(*, user: User, organisation: Organisation, role: Role | str, by: Actor) -> OrganisationRole:
    """Give a person a role in an organisation, at once: what `accounts.role_offers` does where nobody has to be asked.

    Raises Conflict `role.held_already`.
    """
    role = Role(role)
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    if OrganisationRole.objects.filter(user=user, organisation=organisation, role=role).exists():
        raise Conflict("role.held_already", "This person holds this role already.", "role")
    granted = OrganisationRole.objects.create(user=user, organisation=organisation, role=role)
    record(
        by=by,
        verb="organisation_role.granted",
        subject=user,
        organisation_id=organisation.id,
        detail={"role": role.value, "person": user.full_name},
    )
    return granted


@transaction.atomic
def revoke_role(*, granted: OrganisationRole, by: Actor) -> None:
    """Take a role back. An organisation keeps one administrator: raises Conflict `organisation.last_administrator`."""
    organisation = Organisation.objects.select_for_update(no_key=True).get(pk=granted.organisation_id)
    administrators = OrganisationRole.objects.filter(
        organisation=organisation, role=Role.ORGANISATION_ADMINISTRATOR, user__is_active=True
    )
    if granted.role == Role.ORGANISATION_ADMINISTRATOR and not administrators.exclude(pk=granted.pk).exists():
        raise Conflict(
            "organisation.last_administrator", "Every organisation keeps one administrator; name another one first."
        )
    removed, _ = OrganisationRole.objects.filter(pk=granted.pk).delete()
    if not removed:
        raise Conflict("role.revoked_already", "This role has been taken back already.")
    record(
        by=by,
        verb="organisation_role.revoked",
        subject=granted.user,
        organisation_id=organisation.id,
        detail={"role": granted.role, "person": granted.user.full_name},
    )


@transaction.atomic
def add_signatory_key(*, organisation: Organisation, public_key: PublicKey, by: Actor) -> SignatoryKey:
    """Register the key by which an organisation signs. Raises Conflict `signatory_key.known|one_active`."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    if SignatoryKey.objects.filter(key_id=public_key.key_id).exists():
        raise Conflict(
            "signatory_key.known",
            "This key has been registered before.",
            "public_key",
        )
    if organisation.signatory_keys.filter(state=SignatoryKeyState.ACTIVE).exists():
        raise Conflict(
            "signatory_key.one_active", "The organisation has an active signatory key; revoke that one first."
        )
    added = SignatoryKey.objects.create(
        organisation=organisation,
        public_key=public_key.raw,
        key_id=public_key.key_id,
        added_by=by if isinstance(by, User) else None,
    )
    record(
        by=by,
        verb="signatory_key.added",
        subject=added,
        organisation_id=organisation.id,
        detail={"key_id": added.key_id, "fingerprint": public_key.fingerprint},
    )
    return added


@transaction.atomic
def revoke_signatory_key(*, signatory_key: SignatoryKey, by: Actor) -> SignatoryKey:
    """The organisation no longer stands by this key. Raises Conflict `signatory_key.transition`."""
    locked = SignatoryKey.objects.select_for_update().get(pk=signatory_key.pk)
    check_signatory_key_transition(SignatoryKeyState(locked.state), SignatoryKeyState.REVOKED)
    locked.state = SignatoryKeyState.REVOKED
    locked.revoked_at = timezone.now()
    locked.save(update_fields=["state", "revoked_at"])
    record(
        by=by,
        verb="signatory_key.revoked",
        subject=locked,
        organisation_id=locked.organisation_id,
        detail={"key_id": locked.key_id},
    )
    return locked
