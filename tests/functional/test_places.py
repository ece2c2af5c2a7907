"""Every place of the web application in a real browser, under our security policy: walked, and a silo enrolled live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.actions import set_password
from accounts.models import User
from federation.protocol.keys import PrivateKey
from silos import actions
from silos.health import note_heartbeat
from tests.support.cohort import Cohort, make_cohort, run_job
from tests.support.every import every
from tests.support.federation import TEST, certificate, statement
from tests.support.live_platform import serving
from tests.support.patience import FAILS_AFTER_MS

PASSWORD = "a long password 1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    made = make_cohort()
    for user in (made.administrator, made.it):
        set_password(user=user, password=PASSWORD, by=TEST)
    return made


@pytest.fixture
def port(cohort: Cohort) -> Iterator[int]:
    with serving() as port:
        yield port


def come_in(browser: Browser, port: int, user: User, complaints: list[str]) -> Page:
    """A page of somebody who has signed in; whatever the browser complains of is kept."""
    page = browser.new_context(base_url=f"http://127.0.0.1:{port}").new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    return page


def test_every_place_is_walked_without_a_complaint(cohort: Cohort, chromium: Browser, port: int) -> None:
    first, second = run_job(cohort), run_job(cohort, rounds_answered=1)
    complaints: list[str] = []
    page = come_in(chromium, port, cohort.administrator, complaints)
    consortium = f"/consortia/{cohort.federation.consortium.id}/"
    tabs = ("", "participants/", "silos/", "datasets/", "jobs/", "models/", "activity/", "settings/")
    places = [
        *(consortium + tab for tab in tabs),
        *("/silos/", f"/silos/{cohort.silo.id}/", "/datasets/", f"/datasets/{cohort.dataset.id}/"),
        *("/activity/?verb=job.", "/organisations/", f"/organisations/{cohort.silo.organisation_id}/"),
    ]
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for place in every(places):
            page.goto(place)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            assert not wide, f"{place} is wider than {width} px"
    page.goto("/jobs/")
    for job in (first, second):
        page.locator(f'input[name="job"][value="{job.id}"]').check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="2 jobs side by side")).to_be_visible()
    assert not complaints


def test_a_silo_is_enrolled_while_its_page_is_open(cohort: Cohort, chromium: Browser, port: int) -> None:
    complaints: list[str] = []
    it = come_in(chromium, port, cohort.it, complaints)
    it.goto("/silos/new/")
    it.get_by_label("Name").fill("Annexe")
    it.get_by_role("button", name="Make it").click()
    it.get_by_role("button", name="Make an enrolment code").click()
    code = it.get_by_role("region", name="the enrolment code").inner_text()
    expect(it.get_by_text("For the connector to present itself")).to_be_visible()
    expect(it.get_by_role("region", name="the commands without containers")).to_contain_text(f"--code {code}")
    home, signatory, identity = cohort.silo.organisation, cohort.federation.silos[0].signatory, PrivateKey.generate()
    silo = actions.enrol(
        code=code,
        transport_key=PrivateKey.generate().public,
        statement=statement(identity, signatory),
        certificate=certificate(home.name, identity, signatory),
        by=TEST,
    )
    expect(it.get_by_text("An administrator of")).to_be_visible(timeout=FAILS_AFTER_MS)
    administrator = come_in(chromium, port, cohort.administrator, complaints)
    administrator.get_by_role("link", name="Compare the fingerprints of Annexe").click()
    expect(administrator.get_by_role("cell", name=identity.public.fingerprint).first).to_be_visible()
    administrator.get_by_label("The identity fingerprint that the site shows").fill(identity.public.fingerprint)
    administrator.get_by_role("button", name="They are the same: confirm").click()
    expect(administrator.get_by_text("the connector may work from now on")).to_be_visible()
    expect(it.get_by_text("For relay and trainer, both running, to report.")).to_be_visible(timeout=FAILS_AFTER_MS)
    silo.refresh_from_db()
    note_heartbeat(by=silo, report={"relay_version": "0.1.0", "clock_skew_s": 0.1})
    expect(it.get_by_text("Order pick-up")).to_be_visible(timeout=FAILS_AFTER_MS)
    expect(it.get_by_role("heading", name="Enrolment")).to_have_count(0)
    assert not complaints
