"""A small world of people: two organisations that train together, and a third one with a consortium of its own."""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.test import APIClient

from accounts.actions import create_organisation, create_user, grant_role
from accounts.models import Organisation, User
from accounts.permissions import Role
from audit.actors import System
from consortia import invitations
from consortia.actions import found_consortium, grant_consortium_role
from consortia.models import Consortium, Participation
from tests.support.db_snapshot import remembered

TEST = System("test")


@dataclass(frozen=True)
class World:
    """Everybody by what they are; `elsewhere` people belong to the third organisation only."""

    north: Organisation
    south: Organisation
    elsewhere: Organisation
    consortium: Consortium
    other_consortium: Consortium
    platform_admin: User
    administrator: User
    steward: User
    it: User
    auditor: User
    scientist: User
    outsider: User
    nobody: User

    @property
    def participation(self) -> Participation:
        """South's place in the consortium."""
        return Participation.objects.get(consortium=self.consortium, organisation=self.south)


def person(name: str) -> User:
    """Somebody with an account that is known to be theirs, and no role."""
    full_name = name.replace("-", " ").title()
    return create_user(email=f"{name}@example.org", full_name=full_name, is_proved=True, by=TEST)


def make_organisation(name: str) -> Organisation:
    """A hospital."""
    return create_organisation(name=name.title(), slug=name, country="CH", kind="hospital", by=TEST)


@remembered
def make_world() -> World:
    """North (administrator, IT) and south (steward, auditor) in a consortium; a scientist by a role in it alone."""
    north, south, elsewhere = make_organisation("north"), make_organisation("south"), make_organisation("elsewhere")
    platform_admin = create_user(
        email="platform-admin@example.org", full_name="Platform Admin", is_platform_administrator=True, by=TEST
    )
    administrator = person("administrator")
    it = create_user(
        email="it@example.org", full_name="It", organisation=north, roles=[Role.SILO_IT], is_proved=True, by=TEST
    )
    steward, auditor = person("steward"), person("auditor")
    scientist, outsider, nobody = person("scientist"), person("outsider"), person("nobody")
    for user, organisation, role in (
        (administrator, north, Role.ORGANISATION_ADMINISTRATOR),
        (steward, south, Role.STEWARD),
        (auditor, south, Role.AUDITOR),
        (outsider, elsewhere, Role.ORGANISATION_ADMINISTRATOR),
    ):
        grant_role(user=user, organisation=organisation, role=role, by=TEST)
    consortium = found_consortium(name="Hearts", slug="hearts", organisation=north, by=administrator)
    invitation = invitations.invite(consortium=consortium, organisation=south, by=administrator)
    invitations.accept(invitation=invitation, by=steward)
    grant_consortium_role(user=scientist, consortium=consortium, role=Role.DATA_SCIENTIST, by=administrator)
    other = found_consortium(name="Others", slug="others", organisation=elsewhere, by=outsider)
    return World(
        north=north,
        south=south,
        elsewhere=elsewhere,
        consortium=consortium,
        other_consortium=other,
        platform_admin=platform_admin,
        administrator=administrator,
        steward=steward,
        it=it,
        auditor=auditor,
        scientist=scientist,
        outsider=outsider,
        nobody=nobody,
    )


def client_of(user: User | None = None) -> APIClient:
    """A client of the REST API, signed in as somebody or as nobody."""
    client = APIClient()
    if user is not None:
        client.force_login(user)
    return client
