"""Builds the demo's consortium through the actions, as its people would: organisations, roles, invitations, silos."""

from __future__ import annotations

import ipaddress
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from pydantic import BaseModel, ConfigDict

from accounts.actions import create_organisation, create_user, grant_role
from accounts.models import Organisation, User
from accounts.permissions import CONSORTIUM_ROLES, ORGANISATION_ROLES, Role
from accounts.second_factor.actions import set_up
from accounts.second_factor.requirements import has_second_factor
from audit.actors import System
from consortia.actions import found_consortium, grant_consortium_role
from consortia.invitations import accept, invite
from consortia.models import Consortium
from silos.actions import create as create_silo
from silos.models import Silo

SEED = System("demo")


class Plan(BaseModel):
    """A part of what is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonPlan(Plan):
    """Somebody with an account, and what they are."""

    email: str
    name: str
    role: Role


class OrganisationPlan(Plan):
    """An organisation with its people; a member brings the names of its silos."""

    name: str
    slug: str
    country: str
    kind: str
    people: tuple[PersonPlan, ...]
    silos: tuple[str, ...] = ()


class ConsortiumPlan(Plan):
    """Everything: the coordinator and the members. One password for all, made again for each demo.

    `second_factors` are the secrets in people's authenticator apps, by e-mail address.
    """

    name: str
    slug: str
    description: str
    password: str
    second_factors: dict[str, str] = {}
    coordinator: OrganisationPlan
    members: tuple[OrganisationPlan, ...]


def build(plan: ConsortiumPlan) -> Consortium:
    """Do it all, or nothing."""
    validate_password(plan.password)
    password_hash = make_password(plan.password)
    with transaction.atomic():
        coordinator = _organisation(plan.coordinator)
        staff = {person.role: _person(person, password_hash) for person in plan.coordinator.people}
        founder = staff[Role.CONSORTIUM_ADMINISTRATOR]
        consortium = found_consortium(
            name=plan.name, slug=plan.slug, description=plan.description, organisation=coordinator, by=founder
        )
        for role, user in staff.items():
            if user == founder:
                continue
            if role in CONSORTIUM_ROLES:
                grant_consortium_role(user=user, consortium=consortium, role=role, by=founder)
            elif role in ORGANISATION_ROLES:
                grant_role(user=user, organisation=coordinator, role=role, by=SEED)
        for member in plan.members:
            _member(member, consortium, founder, password_hash)
    return consortium


def _member(member: OrganisationPlan, consortium: Consortium, founder: User, password_hash: str) -> None:
    """A member's organisation and people; it is invited, its steward accepts, its IT names the silos."""
    organisation = _organisation(member)
    people = {person.role: _person(person, password_hash) for person in member.people}
    for role, user in people.items():
        grant_role(user=user, organisation=organisation, role=role, by=SEED)
    invitation = invite(consortium=consortium, organisation=organisation, by=founder)
    accept(invitation=invitation, by=people[Role.STEWARD])
    for name in member.silos:
        create_silo(organisation=organisation, name=name, by=people[Role.SILO_IT])


def _organisation(plan: OrganisationPlan) -> Organisation:
    return create_organisation(name=plan.name, slug=plan.slug, country=plan.country, kind=plan.kind, by=SEED)


def _person(plan: PersonPlan, password_hash: str) -> User:
    return create_user(
        email=plan.email,
        full_name=plan.name,
        password_hash=password_hash,
        is_platform_administrator=plan.role is Role.PLATFORM_ADMINISTRATOR,
        is_proved=True,
        by=SEED,
    )


def _set_up_second_factors(plan: ConsortiumPlan) -> None:
    """For those who have none yet, also in a demo that was built before there were any."""
    for user in User.objects.filter(email__in=plan.second_factors):
        if not has_second_factor(user):
            set_up(user=user, secret=plan.second_factors[user.email], by=SEED)


def is_loopback(url: str) -> bool:
    """Whether this address is of this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Command(BaseCommand):
    """Read the plan as JSON on standard input, build what is missing, print the ids as JSON."""

    help = __doc__ or ""

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Build, or find what was built before."""
        if not is_loopback(settings.PUBLIC_URL):
            raise CommandError("This makes accounts that share a password: it works on a loopback address only.")
        plan = ConsortiumPlan.model_validate_json(sys.stdin.read())
        consortium = Consortium.objects.filter(slug=plan.slug).first() or build(plan)
        _set_up_second_factors(plan)
        silos = Silo.objects.filter(organisation__in=consortium.organisations.all())
        ids = {"consortium": str(consortium.id), "silos": {silo.name: str(silo.id) for silo in silos}}
        self.stdout.write(json.dumps(ids))
