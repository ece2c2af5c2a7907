"""Whose an account is: made by one organisation for another's person, wanted elsewhere, proved by its owner."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import emails
from accounts.actions import create_user
from accounts.forms import ChoosePassword
from accounts.models import ApiToken, Organisation, OrganisationRole, OrganisationRoleOffer, User
from accounts.models.user import normalise_email
from accounts.permissions import Role
from accounts.proving import choose_password_by_link, prove_by_identity
from accounts.role_offers import give_role
from accounts.selectors import person_with_email
from accounts.tokens import issue_token
from accounts.welcome import welcome_url
from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import ConsortiumRoleOffer
from consortia.role_offers import give_consortium_role
from tests.support.at_once import at_once
from tests.support.patience import FAILS_AFTER_S
from tests.support.world import TEST, World, client_of

PASSWORD = "correct horse battery staple"
OTHER = "another long battery staple"
LINK = re.compile(r"http://testserver(/\S+/)")


def signed_in(email: str, password: str = PASSWORD) -> Client | None:
    """A browser that came in with this password; None where it does not."""
    client = Client()
    answer = client.post("/sign-in/", {"username": email, "password": password})
    return client if answer.status_code == 302 else None


def squatted(world: World) -> User:
    """Before there was proof: an account for south's person, made by north, whose administrator chose its password."""
    return create_user(
        email="person@south.example",
        full_name="Sue South",
        organisation=world.north,
        roles=[Role.AUDITOR],
        password=PASSWORD,
        by=world.administrator,
    )


def offered(world: World, user: User, role: str = "steward") -> Any:
    south = f"/api/v1/organisations/{world.south.pk}/roles/"
    OrganisationRole.objects.get_or_create(
        user=world.outsider, organisation=world.south, role=Role.ORGANISATION_ADMINISTRATOR
    )
    return client_of(world.outsider).post(south, {"email": user.email, "role": role}, format="json")


def test_who_made_an_account_for_anothers_person_does_not_come_into_the_others_organisation(world: World) -> None:
    user = squatted(world)
    _, secret = issue_token(user=user, name="t", scopes=["account:read"], lifetime=timedelta(days=1), by=user)
    old_link = default_token_generator.make_token(user)
    intruder = signed_in(user.email)
    assert intruder is not None
    answer = offered(world, user)
    assert (answer.status_code, answer.json()["answer"]) == (202, "")
    offer = OrganisationRoleOffer.objects.get()

    assert intruder.get("/account/").status_code == 302
    assert intruder.post(f"/api/v1/role-offers/{offer.pk}/accept/").status_code == 401
    assert signed_in(user.email) is None
    assert client_of().get("/api/v1/me/", headers={"authorization": f"Bearer {secret}"}).status_code == 401
    user.refresh_from_db()
    assert not default_token_generator.check_token(user, old_link)
    assert not OrganisationRole.objects.filter(user=user, organisation=world.south).exists()
    assert Event.objects.filter(verb="user.unproved_reset", subject_id=str(user.pk)).count() == 1

    emails.send_welcome(user.pk)
    (message,) = mail.outbox
    assert message.to == ["person@south.example"]
    link = LINK.search(str(message.body))
    assert link
    owner = Client()
    form = owner.get(link[1], follow=True).redirect_chain[-1][0]
    assert owner.post(form, {"new_password1": OTHER, "new_password2": OTHER}).status_code == 302
    user.refresh_from_db()
    assert user.is_proved
    came = signed_in(user.email, OTHER)
    assert came is not None
    assert b"South offers you a role: Steward" in came.get("/").content
    came.post(f"/role-offers/{offer.pk}/accept/")
    granted = OrganisationRole.objects.get(user=user, organisation=world.south)
    assert granted.role == "steward"
    assert Event.objects.get(verb="organisation_role.granted", organisation_id=world.south.pk, subject_id=str(user.pk))


def test_an_unproved_account_accepts_nothing_even_where_it_is_signed_in(world: World) -> None:
    user = squatted(world)
    offer = OrganisationRoleOffer.objects.create(user=user, organisation=world.south, role=Role.STEWARD)
    answer = client_of(user).post(f"/api/v1/role-offers/{offer.pk}/accept/")
    assert (answer.status_code, answer.json()["code"]) == (403, "account.email_unverified")
    offer.refresh_from_db()
    assert offer.answer == ""


def test_a_proved_account_loses_nothing_by_an_offer_and_is_not_locked_out_by_it(world: World, settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True
    browser = Client()
    browser.force_login(world.it)
    for role in ("steward", "organisation_administrator"):
        give_role(user=world.it, organisation=world.south, role=role, by=world.outsider)
    give_consortium_role(
        user=world.it, consortium=world.consortium, role="consortium_administrator", by=world.administrator
    )
    assert browser.get("/").status_code == 200
    assert browser.get("/api/v1/me/").status_code == 200
    offer = OrganisationRoleOffer.objects.get(role="steward")
    assert browser.post(f"/role-offers/{offer.pk}/accept/").status_code == 302
    assert browser.get("/")["Location"].startswith("/account/second-factor/set-up/")


def test_an_offer_is_made_once_and_a_held_role_is_not_offered(world: World) -> None:
    assert offered(world, world.it).status_code == 202
    again = offered(world, world.it)
    assert (again.status_code, again.json()["code"]) == (409, "role_offer.open")
    held = offered(world, world.steward)
    assert (held.status_code, held.json()["code"]) == (409, "role.held_already")
    offer = OrganisationRoleOffer.objects.get()
    for answer, code in (("decline", 200), ("decline", 409), ("accept", 409)):
        assert client_of(world.it).post(f"/api/v1/role-offers/{offer.pk}/{answer}/").status_code == code
    assert offered(world, world.it).status_code == 202


def test_offers_in_a_consortium_end_with_the_member_that_leaves(world: World) -> None:
    give_consortium_role(user=world.auditor, consortium=world.consortium, role="data_scientist", by=world.administrator)
    leave_consortium(participation=world.participation, by=world.steward)
    assert ConsortiumRoleOffer.objects.get().answer == "withdrawn"


def test_no_door_gives_the_address_to_who_made_the_account(world: World) -> None:
    client = client_of(world.platform_admin)
    body = {"email": "n@example.org", "full_name": "N", "organisation": str(world.north.pk), "roles": ["auditor"]}
    made = client.post("/api/v1/users/", body, format="json")
    again = client.post(f"/api/v1/users/{made.json()['id']}/welcome/")
    assert (made.status_code, again.status_code) == (201, 202)
    for answer in (made, again):
        assert "/welcome/" not in answer.content.decode()
        assert answer.json()["is_email_verified"] is False


def test_without_email_nobody_is_made_or_reset(world: World, settings: Any) -> None:
    settings.EMAIL_CONFIGURED = False
    body = {"email": "n@example.org", "full_name": "N", "organisation": str(world.north.pk), "roles": ["auditor"]}
    answer = client_of(world.administrator).post("/api/v1/users/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "email.not_configured")
    user = squatted(world)
    refused = offered(world, user)
    assert (refused.status_code, refused.json()["code"]) == (409, "email.not_configured")
    assert signed_in(user.email) is not None
    assert not OrganisationRoleOffer.objects.exists()


def test_an_identity_provider_proves_and_ends_what_was_there(world: World) -> None:
    user = squatted(world)
    browser = signed_in(user.email)
    assert browser is not None
    issue_token(user=user, name="t", scopes=["account:read"], lifetime=timedelta(days=1), by=user)
    prove_by_identity(user=user, provider="oidc")
    user.refresh_from_db()
    assert (user.is_proved, user.has_usable_password()) == (True, False)
    assert ApiToken.objects.get().revoked_at is not None
    assert browser.get("/account/").status_code == 302
    proved_at = user.proved_at
    prove_by_identity(user=user, provider="oidc")
    user.refresh_from_db()
    assert user.proved_at == proved_at


def test_a_new_password_by_email_proves_too(world: World) -> None:
    user = squatted(world)
    emails.send_password_reset(user.pk)
    link = LINK.search(str(mail.outbox[0].body))
    assert link
    client = Client()
    form = client.get(link[1], follow=True).redirect_chain[-1][0]
    assert client.post(form, {"password1": OTHER, "password2": OTHER}).status_code == 302
    user.refresh_from_db()
    assert user.is_proved
    assert Event.objects.filter(verb="user.address_proved", subject_id=str(user.pk)).count() == 1


def test_accounts_from_before_are_proved_by_a_provider_or_by_the_platform_s_own_word(world: World) -> None:
    mark = importlib.import_module("accounts.migrations.0009_accounts_proved_before").MARK
    made = squatted(world)
    tied = create_user(email="tied@example.org", full_name="T", organisation=world.north, by=TEST)
    SocialAccount.objects.create(user=tied, provider="oidc", uid="1")
    User.objects.filter(pk__in=(made.pk, world.nobody.pk, world.platform_admin.pk)).update(last_login=timezone.now())
    User.objects.update(proved_at=None)
    with connection.cursor() as cursor:
        cursor.execute(mark)
    proved = set(User.objects.filter(proved_at__isnull=False).values_list("email", flat=True))
    assert proved == {"tied@example.org", "nobody@example.org", "platform-admin@example.org"}


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_of_many_who_use_one_link_one_sets_the_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        together, clean = Barrier(4), ChoosePassword.clean

        def clean_together(form: ChoosePassword) -> Any:
            together.wait(FAILS_AFTER_S)  # all have been shown the form by a link that was good
            return clean(form)

        monkeypatch.setattr(ChoosePassword, "clean", clean_together)
        user = create_user(email="ada@example.org", full_name="Ada", by=TEST)
        path = welcome_url(user).removeprefix("http://testserver")
        statuses: list[int] = []

        def use(number: int) -> Any:
            client = Client()
            form = client.get(path, follow=True).redirect_chain[-1][0]
            password = f"{PASSWORD} {number}"
            body = {"new_password1": password, "new_password2": password}
            return lambda: statuses.append(client.post(form, body).status_code)

        assert at_once(*[use(number) for number in range(4)]) == [""] * 4
        assert sorted(statuses) == [302, 409, 409, 409]
        assert Event.objects.filter(verb="user.password_set").count() == 1

    def test_of_many_who_use_one_way_back_in_one_sets_the_password(self) -> None:
        user = create_user(email="ada@example.org", full_name="Ada", password=PASSWORD, by=TEST)
        token = default_token_generator.make_token(user)

        def use(number: int) -> Any:
            password = f"{PASSWORD} {number}"
            return lambda: choose_password_by_link(user_id=user.pk, token=token, password=password)

        codes = at_once(*[use(number) for number in range(4)])
        assert sorted(codes) == ["", "link.used", "link.used", "link.used"]

    def test_an_offer_is_answered_once(self) -> None:
        home = Organisation.objects.create(name="H", slug="h", country="CH", kind="bank")
        user = create_user(email="ada@example.org", full_name="Ada", is_proved=True, by=TEST)
        offer = give_role(user=user, organisation=home, role="steward", by=TEST)
        path = f"/api/v1/role-offers/{offer.pk}/"
        statuses: list[int] = []

        def say(answer: str) -> Any:
            client = client_of(user)
            return lambda: statuses.append(client.post(f"{path}{answer}/").status_code)

        at_once(*[say(answer) for answer in ("accept", "decline", "accept", "decline")])
        assert sorted(statuses)[1:] == [409, 409, 409]
        assert statuses.count(409) == 3


def test_who_made_an_account_does_not_lock_its_owner_out_of_another_organisation(world: World, settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True
    first = give_role(user=world.it, organisation=world.north, role="steward", by=world.administrator)
    assert isinstance(first, OrganisationRole)  # at home, and nowhere else
    first.delete()
    OrganisationRole.objects.create(user=world.it, organisation=world.south, role=Role.DATA_SCIENTIST)
    browser = Client()
    browser.force_login(world.it)
    _, secret = issue_token(user=world.it, name="t", scopes=["account:read"], lifetime=timedelta(days=1), by=world.it)
    given = give_role(user=world.it, organisation=world.north, role="steward", by=world.administrator)
    assert isinstance(given, OrganisationRoleOffer)
    assert browser.get("/").status_code == 200
    assert client_of().get("/api/v1/me/", headers={"authorization": f"Bearer {secret}"}).status_code == 200


@pytest.mark.parametrize(
    "spelt",
    [
        " IT@Example.org ",
        "it@\uff45xample.org",
        "it@example\u200b.org",
        "it@example\u3002org",
        '"it"@example.org',
        "it@e\u00adxample.org",
    ],
)
def test_one_address_is_one_account_however_it_is_written(world: World, spelt: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        create_user(email=spelt, full_name="Another", by=TEST)
    assert person_with_email(spelt) == world.it


def test_other_addresses_stay_other_accounts(world: World) -> None:
    assert normalise_email("a@xn--bcher-kva.example") == normalise_email("a@B\u00fccher.example")
    for other in ("it+more@example.org", "i.t@example.org", '"i t"@example.org', "it@example.com", "it", ""):
        assert normalise_email(other) not in ("it@example.org", normalise_email("x" + other))


def test_addresses_from_before_are_kept_in_the_form_that_is_compared(world: World) -> None:
    User.objects.filter(pk=world.it.pk).update(email="it@xn--bcher-kva.example")
    User.objects.filter(pk=world.nobody.pk).update(email="platform-admin@exa\u200bmple.org")
    importlib.import_module("accounts.migrations.0010_spellings").compare_again(apps, None)
    assert User.objects.get(pk=world.it.pk).email == "it@b\u00fccher.example"
    assert User.objects.get(pk=world.nobody.pk).email == "platform-admin@exa\u200bmple.org"  # another has the address


def test_who_has_an_address_in_a_spelling_from_before_still_signs_in(world: World) -> None:
    older, newer = world.it, create_user(email="new@example.org", full_name="Newer", password=OTHER, by=TEST)
    User.objects.filter(pk=newer.pk).update(email='"it"@example.org')  # accounts made before these were one address
    importlib.import_module("accounts.migrations.0010_spellings").compare_again(apps, None)
    assert signed_in('"it"@example.org', OTHER) is not None
    assert signed_in("it@example.org", OTHER) is None
    assert person_with_email('"IT"@example.org') == newer
    assert person_with_email("it@example.org") == person_with_email("IT@example\u3002org") == older
