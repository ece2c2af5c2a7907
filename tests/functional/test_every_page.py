"""Every page in a real browser, as everybody who may see it, in light and dark, wide and narrow.

A page must neither complain (console, policy, scripts) nor be wider than its window, and axe finds nothing serious.
Screenshots are kept in `var/screenshots/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import User
from plans.actions import propose
from tests.support.cohort import Cohort, browser, make_cohort, present, run_job
from tests.support.live_platform import serving
from tests.support.pages import pages_of
from tests.support.plans import CHANGED, SOURCE, uploaded
from tests.support.windows import DRAWN, SCREENSHOTS, VIEWS, View
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
NOTHING = "00000000-0000-4000"
OWN_PAGES = {"keeper", "administrator", "steward", "it"}
"""Roles with pages that the scientist does not see."""
SERIOUS = {"serious", "critical"}
ROLES = ("keeper", "administrator", "scientist", "steward", "it", "neighbour", "nobody")


@pytest.fixture
def world(transactional_db: None, blob_root: Path) -> tuple[Cohort, Job, Job]:
    """A finished job, a running one, a silo to confirm."""
    cohort = make_cohort()
    present(cohort)
    for source in (SOURCE, CHANGED):
        propose(plan=uploaded(cohort.federation.consortium, cohort.scientist, source), by=cohort.scientist)
    return cohort, run_job(cohort, rounds=4), run_job(cohort, rounds_answered=1)


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


def signed_in(chromium: Browser, port: int, user: User, view: View) -> BrowserContext:
    """A fresh session of this person's in a window of this kind."""
    context = chromium.new_context(
        base_url=f"http://127.0.0.1:{port}",
        color_scheme=view.scheme,
        viewport={"width": view.width, "height": view.height},
        reduced_motion="reduce",
    )
    session = browser(user).cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": f"http://127.0.0.1:{port}"}])
    return context


def complaints_of(page: Page) -> list[str]:
    """What the browser says against a page, from now on."""
    found: list[str] = []
    expected = re.compile(r"status of 40[34]")
    page.on(
        "console",
        lambda told: found.append(told.text) if told.type == "error" and not expected.search(told.text) else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def check(page: Page, address: str, view: View) -> list[str]:
    """What is wrong with the page as it stands. What axe finds is much the same in every window."""
    answer = page.goto(address)
    page.wait_for_function(DRAWN)
    expected = 404 if NOTHING in address else 200
    wrong = [] if answer is not None and answer.status == expected else [str(answer and answer.status)]
    wide, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    if wide > window:
        wrong.append(f"{wide} pixels wide in a window of {window}")
    only = {} if view is VIEWS[0] else {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}}
    report = Axe().run(page, options={"resultTypes": ["violations"], **only}).response
    for violation in report["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
            wrong.append(f"axe {violation['id']} ({violation['impact']}): {nodes}")
    return wrong


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_page_is_in_order(world: tuple[Cohort, Job, Job], port: int, chromium: Browser, view: View) -> None:
    cohort, done, running = world
    folder = SCREENSHOTS / view.name
    folder.mkdir(parents=True, exist_ok=True)
    context = signed_in(chromium, port, cohort.scientist, view)
    wrong = {}
    for name, address in pages_of(cohort, done, running).items():
        page = context.new_page()
        complaints = complaints_of(page)
        found = check(page, address, view)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        if found or complaints:
            wrong[name] = found + complaints
        page.close()
    context.close()
    stranger = chromium.new_context(
        base_url=f"http://127.0.0.1:{port}",
        color_scheme=view.scheme,
        viewport={"width": view.width, "height": view.height},
    )
    for name, address in {"sign-in": "/sign-in/", "forgotten": "/password/forgotten/"}.items():
        page = stranger.new_page()
        complaints = complaints_of(page)
        found = check(page, address, view)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        if found or complaints:
            wrong[name] = found + complaints
    stranger.close()
    assert not wrong


@pytest.mark.parametrize("role", ROLES)
def test_everybody_s_own_way(world: tuple[Cohort, Job, Job], port: int, chromium: Browser, role: str) -> None:
    """Each role, from the home page along every link of the way around, and what waits for them: wide, then narrow."""
    cohort, _, _ = world
    wrong = {}
    for view in VIEWS if role in OWN_PAGES else VIEWS[:1]:
        context = signed_in(chromium, port, getattr(cohort, role), view)
        page = context.new_page()
        complaints = complaints_of(page)
        page.goto("/")
        ways = page.locator("main a[href^='/'], header nav a[href^='/']").evaluate_all(
            "links => [...new Set(links.map(link => link.getAttribute('href')))]"
        )
        assert len(ways) > 4
        for address in ["/", *ways]:
            if "/api/" in address or "." in address.rsplit("/", 1)[-1]:
                continue
            if found := check(page, address, view):
                wrong[f"{address} {view.name}"] = found
        (SCREENSHOTS / "roles").mkdir(parents=True, exist_ok=True)
        page.goto("/")
        page.screenshot(path=SCREENSHOTS / "roles" / f"{role}-{view.name}.png", full_page=True)
        context.close()
        if complaints:
            wrong[view.name] = complaints
    assert not wrong


def test_longer_words_fit_the_narrowest_window(world: tuple[Cohort, Job, Job], port: int, chromium: Browser) -> None:
    """German ones."""
    cohort, done, running = world
    cohort.scientist.language = "de"
    cohort.scientist.save()
    view = min(VIEWS, key=lambda view: view.width)
    context = signed_in(chromium, port, cohort.scientist, view)
    page = context.new_page()
    complaints = complaints_of(page)
    wide = {}
    for name, address in pages_of(cohort, done, running).items():
        page.goto(address, wait_until="domcontentloaded")
        needed, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if needed > window:
            wide[name] = needed - window
    context.close()
    assert not wide
    assert not complaints
