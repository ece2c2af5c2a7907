"""The pages of accounts and consortia: for whom they are, and what they are made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.actions import grant_role
from accounts.models import OrganisationRole, User
from accounts.permissions import Role
from audit.models import Event
from consortia import invitations
from consortia.models import Consortium, ConsortiumRole, Invitation
from federation.protocol.keys import PrivateKey
from tests.support.world import TEST, World, make_organisation, person

MEMBERS = ("administrator", "steward", "it", "auditor", "scientist", "platform_admin")
PAGES = [
    ("home", "/", (*MEMBERS, "outsider", "nobody"), ()),
    ("account", "/account/", ("it", "nobody", "platform_admin"), ()),
    ("password", "/account/password/", ("it",), ()),
    ("tokens", "/account/tokens/", ("it", "nobody"), ()),
    ("glossary", "/help/glossary/", ("it", "nobody", "platform_admin"), ()),
    ("sessions-end", "/account/sessions/end/", ("it", "nobody"), ()),
    ("organisations", "/organisations/", ("it", "nobody", "platform_admin"), ()),
    (
        "organisation",
        "/organisations/{north}/",
        ("administrator", "it", "platform_admin"),
        ("steward", "scientist", "outsider"),
    ),
    ("consortium", "/consortia/{consortium}/", MEMBERS, ("outsider", "nobody")),
    ("consortium-found", "/consortia/found/", ("administrator", "platform_admin", "outsider"), ()),
]


def browser(user: User | None = None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def address(text: str, world: World) -> str:
    return text.format(north=world.north.pk, south=world.south.pk, consortium=world.consortium.pk)


class Looked(HTMLParser):
    """What a page is made of, as far as rules speak of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self.headings: list[str] = []
        self.open_tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.wrong += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.wrong.append(f"inline {tag}")
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//|javascript:", given.get(name) or ""):
                self.wrong.append(f"{tag} {name}={given[name]}")
        if tag == "form":
            self.forms.append({"method": (given.get("method") or "get").lower(), "csrf": False, "labelled": True})
        if tag == "input" and given.get("name") == "csrfmiddlewaretoken":
            self.forms[-1]["csrf"] = True
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        if tag == "html" and given.get("lang") != "en":
            self.wrong.append("html without lang")


@pytest.mark.parametrize(("name", "path", "may", "absent"), PAGES, ids=[page[0] for page in PAGES])
def test_for_whom_a_page_is(world: World, name: str, path: str, may: tuple[str, ...], absent: tuple[str, ...]) -> None:
    place = address(path, world)
    stranger = browser().get(place)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/sign-in/?next=")
    for who in may:
        answer = browser(getattr(world, who)).get(place)
        assert answer.status_code == 200, who
        looked = Looked(answer.content.decode())
        assert not looked.wrong
        assert looked.headings.count("h1") == 1
        assert all(form["csrf"] for form in looked.forms if form["method"] == "post")
        assert "script-src" not in answer["Content-Security-Policy"]
        assert "default-src 'self'" in answer["Content-Security-Policy"]
    for who in absent:
        answer = browser(getattr(world, who)).get(place)
        assert answer.status_code == 404, who
        assert b"not_found" in answer.content


def test_who_can_found_nothing_is_informed(world: World) -> None:
    answer = browser(world.it).get("/consortia/found/")
    assert answer.status_code == 403
    assert b"permission.denied" in answer.content


Act = tuple[str, Callable[[World], str], dict[str, str], str, tuple[str, ...], tuple[str, ...]]


def invited(world: World) -> Invitation:
    fourth = make_organisation("fourth")
    grant_role(user=world.steward, organisation=fourth, role=Role.STEWARD, by=TEST)
    return invitations.invite(consortium=world.consortium, organisation=fourth, by=world.administrator)


def of_invitation(action: str) -> Callable[[World], str]:
    return lambda world: f"/invitations/{invited(world).pk}/{action}/"


def role_at_home(world: World) -> str:
    held = OrganisationRole.objects.get(user=world.it)
    return f"/organisations/{world.north.pk}/roles/{held.pk}/revoke/"


def role_in_consortium(world: World) -> str:
    held = ConsortiumRole.objects.get(user=world.scientist)
    return f"/consortia/{world.consortium.pk}/roles/{held.pk}/revoke/"


def key_of_north(world: World) -> str:
    from accounts.actions import add_signatory_key

    key = add_signatory_key(organisation=world.north, public_key=PrivateKey.generate().public, by=TEST)
    return f"/organisations/{world.north.pk}/signatory-keys/{key.pk}/revoke/"


def own_token(world: World) -> str:
    from datetime import timedelta

    from accounts.tokens import issue_token

    token, _ = issue_token(
        user=world.administrator, name="t", scopes=["jobs:read"], lifetime=timedelta(days=1), by=TEST
    )
    return f"/account/tokens/{token.pk}/revoke/"


OUT = ("outsider", "nobody")
SEEN_OF_NORTH = hashlib.sha256(b"North\0CH\0hospital").hexdigest()[:32]
ACTS: list[Act] = [
    (
        "organisation-people",
        lambda world: f"/organisations/{world.north.pk}/people/",
        {"email": "new@example.org", "full_name": "New", "role": "auditor"},
        "user.created",
        ("it",),
        OUT,
    ),
    (
        "person-welcome",
        lambda world: f"/organisations/{world.north.pk}/people/{world.it.pk}/welcome/",
        {},
        "user.welcome_renewed",
        (),
        OUT,
    ),
    (
        "organisation-edit",
        lambda world: f"/organisations/{world.north.pk}/edit/",
        {
            "name": "North",
            "country": "CH",
            "kind": "bank",
            "seen": hashlib.sha256(b"North\0CH\0hospital").hexdigest()[:32],
        },
        "organisation.edited",
        ("it",),
        OUT,
    ),
    ("organisation-role-revoke", role_at_home, {}, "organisation_role.revoked", ("it",), OUT),
    (
        "signatory-keys",
        lambda world: f"/organisations/{world.north.pk}/signatory-keys/",
        {"public_key": PrivateKey.generate().public.encoded},
        "signatory_key.added",
        ("it", "platform_admin"),
        OUT,
    ),
    ("signatory-key-revoke", key_of_north, {}, "signatory_key.revoked", ("it", "platform_admin"), OUT),
    ("token-revoke", own_token, {}, "api_token.revoked", (), ("it", "platform_admin", *OUT)),
    (
        "consortium-invite",
        lambda world: f"/consortia/{world.consortium.pk}/invite/",
        {"organisation": "elsewhere", "message": "Come."},
        "participation.invited",
        ("it", "steward", "scientist", "platform_admin"),
        OUT,
    ),
    (
        "consortium-roles",
        lambda world: f"/consortia/{world.consortium.pk}/roles/",
        {"email": "it@example.org", "role": "auditor"},
        "role_offer.made",
        ("it", "steward", "scientist", "platform_admin"),
        OUT,
    ),
    ("consortium-role-revoke", role_in_consortium, {}, "consortium_role.revoked", ("steward", "scientist"), OUT),
    ("invitation-withdraw", of_invitation("withdraw"), {}, "invitation.withdrawn", ("steward",), OUT),
]


ASK_FIRST = {"organisation-edit", "signatory-key-revoke"}
"""These have a page of their own, which changes nothing."""


@pytest.mark.parametrize("act", ACTS, ids=[act[0] for act in ACTS])
def test_what_a_form_does_and_for_whom(world: World, act: Act) -> None:
    name, path, body, verb, forbidden, absent = act
    place = path(world)
    before = Event.objects.count()
    assert browser().post(place, body)["Location"].startswith("/sign-in/")
    asked = browser(world.administrator).get(place)
    assert asked.status_code == (200 if name in ASK_FIRST else 405)
    for who in forbidden:
        assert browser(getattr(world, who)).post(place, body).status_code == 403, who
    for who in absent:
        assert browser(getattr(world, who)).post(place, body).status_code == 404, who
    assert Event.objects.count() == before
    answer = browser(world.administrator).post(place, body, follow=True)
    assert answer.status_code == 200
    assert verb in [event.verb for event in Event.objects.order_by("id")[before:]]


@pytest.mark.parametrize(("action", "verb"), [("accept", "invitation.accepted"), ("decline", "invitation.declined")])
def test_an_invitation_is_answered_on_its_page(world: World, action: str, verb: str) -> None:
    place = f"/invitations/{invited(world).pk}/{action}/"
    assert b"Hearts invites Fourth" in browser(world.steward).get("/").content
    assert browser(world.administrator).post(place).status_code == 403
    assert browser(world.outsider).post(place).status_code == 404
    answer = browser(world.steward).post(place, follow=True)
    assert answer.status_code == 200
    assert b"invites Fourth" not in answer.content
    assert Event.objects.filter(verb=verb, detail__organisation="Fourth").exists()
    again = browser(world.steward).post(place, follow=True)
    assert b"has been" in again.content


def test_a_member_leaves_a_consortium_by_its_page(world: World) -> None:
    place = f"/consortia/{world.consortium.pk}/participants/{world.south.pk}/leave/"
    assert browser(world.auditor).post(place).status_code == 403
    asked = browser(world.steward).get(place)
    assert b"Leave Hearts with South?" in asked.content
    assert not Looked(asked.content.decode()).wrong
    assert world.participation.state == "active"
    assert browser(world.steward).post(place, follow=True).status_code == 200
    assert browser(world.steward).get(f"/consortia/{world.consortium.pk}/").status_code == 404


def test_removing_asks_first_and_why(world: World) -> None:
    place = f"/consortia/{world.consortium.pk}/participants/{world.south.pk}/remove/"
    home = f"/consortia/{world.consortium.pk}/"
    assert browser().get(place)["Location"].startswith("/sign-in/")
    for who in ("platform_admin", "steward", "it", "auditor", "scientist"):
        client = browser(getattr(world, who))
        assert client.post(place, {"reason": "Mine."}).status_code == 403, who
        assert place not in client.get(home).content.decode()
    for who in OUT:
        assert browser(getattr(world, who)).post(place, {"reason": "Mine."}).status_code == 404, who
    client = browser(world.administrator)
    assert place in client.get(home).content.decode()
    asked = client.get(place)
    assert b"Remove South from Hearts?" in asked.content
    assert not Looked(asked.content.decode()).wrong
    without = client.post(place, {"reason": " "})
    assert (without.status_code, without.context["form"].errors) == (422, {"reason": ["This field is required."]})
    assert not Event.objects.filter(verb="participation.ended").exists()
    page = client.post(place, {"reason": "The contract has ended."}, follow=True).content.decode()
    assert "South takes part no longer." in page
    assert place not in page
    event = Event.objects.get(verb="participation.ended")
    assert event.detail == {"organisation": "South", "reason": "The contract has ended."}
    assert browser(world.steward).get(home).status_code == 404


def test_the_last_administrator_is_not_removed(world: World) -> None:
    place = f"/consortia/{world.consortium.pk}/participants/{world.north.pk}/remove/"
    page = browser(world.administrator).post(place, {"reason": "All of us."}, follow=True).content.decode()
    assert "name another one first" in page
    assert not Event.objects.filter(verb="participation.ended").exists()


def test_a_consortium_is_founded_by_its_page(world: World) -> None:
    client = browser(world.administrator)
    body = {"name": "Lungs", "slug": "lungs", "description": "d", "organisation": str(world.north.pk)}
    assert client.post("/consortia/found/", body | {"organisation": str(world.south.pk)}).status_code == 422
    assert client.post("/consortia/found/", body | {"organisation": ""}).status_code == 422
    answer = client.post("/consortia/found/", body, follow=True)
    assert b"The consortium is founded." in answer.content
    taken = client.post("/consortia/found/", body)
    assert b"Another consortium has this slug." in taken.content
    assert Consortium.objects.filter(slug="lungs").count() == 1


def test_a_token_is_on_one_page_only(world: World) -> None:
    client = browser(world.it)
    body = {"name": "notebook", "scopes": ["jobs:read"], "lifetime_days": "30"}
    answer = client.post("/account/tokens/", body)
    found = re.search(rb"cns_[\w-]{43}", answer.content)
    assert found
    assert "no-store" in answer["Cache-Control"]
    assert found[0] not in client.get("/account/tokens/").content
    assert client.post("/account/tokens/", {"name": "x", "lifetime_days": "9999"}).status_code == 422


def test_what_people_write_is_text(world: World) -> None:
    nasty = "<script>alert(1)</script>"
    Consortium.objects.filter(pk=world.consortium.pk).update(name=nasty, description=nasty)
    User.objects.filter(pk=world.scientist.pk).update(full_name=nasty)
    for path in ("/", f"/consortia/{world.consortium.pk}/"):
        page = browser(world.administrator).get(path).content.decode()
        assert nasty not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("path", "most"), [("/", 19), ("/consortia/{consortium}/", 13), ("/organisations/{north}/", 9), ("/account/", 8)]
)
def test_how_many_queries_a_page_takes(world: World, path: str, most: int) -> None:
    place, client = address(path, world), browser(world.administrator)
    client.get(place)
    counts = []
    for number in range(2):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(place).status_code == 200
        counts.append(len(queries))
        for extra in range(5):
            somebody = person(f"more-{number}-{extra}")
            grant_role(user=somebody, organisation=world.north, role=Role.AUDITOR, by=TEST)
            more = make_organisation(f"more-{number}-{extra}")
            invitations.invite(consortium=world.consortium, organisation=more, by=world.administrator)
    assert counts[0] == counts[1] <= most


@pytest.mark.parametrize("path", ["/nowhere/", "/consortia/rubbish/", "/%00/"])
def test_a_page_that_is_not(world: World, path: str) -> None:
    answer = browser(world.it).get(path)
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert not Looked(answer.content.decode()).wrong


def test_an_internal_error_is_answered_with_its_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(user: User) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr("dashboards.views.consortia_visible_to", fail)
    monkeypatch.setattr("consortia.api.consortia.consortia_visible_to", fail)
    client = Client(raise_request_exception=False)
    client.force_login(world.it)
    page = client.get("/")
    assert page.status_code == 500
    assert b"secret detail" not in page.content
    assert not Looked(page.content.decode()).wrong
    answer = client.get("/api/v1/consortia/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "internal"
    assert "secret detail" not in answer.content.decode()


def names(patterns: list[URLPattern | URLResolver]) -> set[str]:
    """The names of all pages of accounts and consortia."""
    found: set[str] = set()
    for entry in patterns:
        if isinstance(entry, URLResolver):
            found |= names(entry.url_patterns)
        elif entry.callback.__module__.split(".")[0] in {"accounts", "consortia"}:
            found.add(str(entry.name))
    return {name for name in found if not name.startswith("api-")}


def test_no_page_is_left_out() -> None:
    elsewhere = {"sign-in", "welcome", "invitation-accept", "invitation-decline", "consortium-leave"}
    elsewhere |= {"consortium-remove", "session-end", "language", "role-offer-accept", "role-offer-decline"}
    elsewhere |= {"consortium-role-offer-accept", "consortium-role-offer-decline"}
    elsewhere |= {"role-offer-withdraw", "consortium-role-offer-withdraw"}
    asked = {page[0] for page in PAGES} | {act[0] for act in ACTS} | elsewhere
    # those that allauth looks up are asked in tests/integration/accounts
    found = {name for name in names(get_resolver().url_patterns) if not name.startswith(("mfa_", "account_"))}
    assert found <= asked
