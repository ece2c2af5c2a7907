"""Every page in a real browser, as everybody who may see it, in light and dark, wide and narrow.

A page must neither complain (console, policy, scripts) nor be wider than its window, and axe finds nothing serious.
Screenshots are kept in `var/screenshots/`. Nobody changes anything here, so that all walk through one world.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from plans.actions import propose
from tests.support.cohort import Cohort, make_cohort, present, run_job
from tests.support.committed import committed
from tests.support.live_platform import serving
from tests.support.pages import pages_of
from tests.support.plans import CHANGED, SOURCE, uploaded
from tests.support.walks import complaints_of, signed_in, walk
from tests.support.windows import SCREENSHOTS, VIEWS, View
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
OWN_PAGES = {"keeper", "administrator", "steward", "it"}
"""Roles with pages that the scientist does not see."""
ROLES = ("keeper", "administrator", "scientist", "steward", "it", "neighbour", "nobody")


@dataclass
class World:
    """A finished job, a running one, a silo to confirm; all on a port. `seen` is what axe has looked at."""

    cohort: Cohort
    done: Job
    running: Job
    port: int
    seen: set[str] = field(default_factory=set)

    def pages(self) -> dict[str, str]:
        """What the scientist may see."""
        return pages_of(self.cohort, self.done, self.running)


@pytest.fixture(scope="module")
def db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Instead of one that each test finds empty."""
    with committed(django_db_blocker, tmp_path_factory.mktemp("blobs")):
        yield


@pytest.fixture(scope="module")
def world(db: None) -> Iterator[World]:
    cohort = make_cohort()
    present(cohort)
    for source in (SOURCE, CHANGED):
        propose(plan=uploaded(cohort.federation.consortium, cohort.scientist, source), by=cohort.scientist)
    done, running = run_job(cohort, rounds=4), run_job(cohort, rounds_answered=1)
    with serving() as port:
        yield World(cohort, done, running, port)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_page_is_in_order(world: World, chromium: Browser, view: View) -> None:
    folder = SCREENSHOTS / view.name
    with walk(chromium, world.port, world.cohort.scientist, view, folder, world.seen) as scientist:
        for name, address in world.pages().items():
            scientist.look(name, address)
    with walk(chromium, world.port, None, view, folder, world.seen) as stranger:
        for name, address in {"sign-in": "/sign-in/", "forgotten": "/password/forgotten/"}.items():
            stranger.look(name, address)
    assert not scientist.wrong | stranger.wrong


@pytest.mark.parametrize("role", ROLES)
def test_everybody_s_own_way(world: World, chromium: Browser, role: str) -> None:
    """Each role, from the home page along every link of the way around, and what waits for them: wide, then narrow."""
    user = getattr(world.cohort, role)
    wrong: dict[str, list[str]] = {}
    for view in VIEWS if role in OWN_PAGES else VIEWS[:1]:
        with walk(chromium, world.port, user, view, SCREENSHOTS / "roles", world.seen) as own:
            own.look(f"{role}-{view.name}", "/")
            ways = own.page.locator("main a[href^='/'], header nav a[href^='/']").evaluate_all(
                "links => [...new Set(links.map(link => link.getAttribute('href')))]"
            )
            assert len(ways) > 4
            for address in ways:
                if address != "/" and "/api/" not in address and "." not in address.rsplit("/", 1)[-1]:
                    own.look(address, address, picture=False)
        wrong |= own.wrong
    assert not wrong


def test_longer_words_fit_the_narrowest_window(world: World, chromium: Browser) -> None:
    """German ones."""
    scientist = world.cohort.scientist
    view = min(VIEWS, key=lambda view: view.width)
    scientist.language = "de"
    scientist.save(update_fields=["language"])
    try:
        context = signed_in(chromium, world.port, scientist, view)
        page = context.new_page()
        complaints = complaints_of(page)
        wide = {}
        for name, address in world.pages().items():
            page.goto(address, wait_until="domcontentloaded")
            needed, window = page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            if needed > window:
                wide[name] = needed - window
        context.close()
    finally:
        scientist.language = "en"
        scientist.save(update_fields=["language"])
    assert not wide
    assert not complaints
