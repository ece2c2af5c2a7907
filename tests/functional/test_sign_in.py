"""Signing in with a second factor in a real browser, under our security policy: set up, out, and in again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.actions import create_organisation, create_user, grant_role
from accounts.models import User
from accounts.permissions import Role
from demo.codes import STEP_S, code_at
from tests.support.live_platform import serving
from tests.support.world import TEST

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]

PASSWORD = "a long password 1"


@pytest.fixture
def quick_passwords() -> None:
    """Here people sign in as they do in earnest."""


@pytest.fixture
def steward(transactional_db: None, settings: Any) -> User:
    settings.SIGN_IN_TOTP_REQUIRED = True
    member_organisation = create_organisation(name="North", slug="north", country="CH", kind="hospital", by=TEST)
    user = create_user(email="steward@example.org", full_name="Stella Steward", password=PASSWORD, by=TEST)
    grant_role(user=user, organisation=member_organisation, role=Role.STEWARD, by=TEST)
    return user


@pytest.fixture
def page(steward: User, chromium: Browser) -> Iterator[Page]:
    """A browser in which nobody has signed in; whatever it complains of fails the test."""
    with serving() as port:
        context = chromium.new_context(base_url=f"http://127.0.0.1:{port}")
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        context.close()
    assert not [text for text in complaints if "status of 422" not in text]


def give_password(page: Page) -> None:
    page.goto("/organisations/")
    page.get_by_label("E-mail address").fill("steward@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_steward_sets_up_a_second_factor_and_signs_in_with_it(page: Page) -> None:
    give_password(page)
    expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    page.get_by_text("No camera at hand?").click()
    secret = page.get_by_role("region", name="the secret").inner_text().replace(" ", "").strip()
    now = float(page.evaluate("Date.now() / 1000"))
    page.get_by_role("textbox", name="Code").fill(code_at(secret, now - 10 * STEP_S))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_text("The app shows another code")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill(code_at(secret, now))
    page.get_by_role("button", name="Set it up").click()
    codes = page.get_by_role("region", name="the recovery codes").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("link", name="I have saved them").click()
    expect(page).to_have_url(re.compile("/$"))

    page.get_by_role("button", name="Sign out").click()
    give_password(page)
    expect(page.get_by_role("heading", name="Your code")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill(code_at(secret, float(page.evaluate("Date.now() / 1000"))))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Organisations")).to_be_visible()

    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("this one")).to_be_visible()
    page.get_by_role("link", name="Sign out everywhere…").click()
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_text("You are signed out everywhere.")).to_be_visible()
    give_password(page)
    page.get_by_role("textbox", name="Code").fill(codes[3])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Organisations")).to_be_visible()
