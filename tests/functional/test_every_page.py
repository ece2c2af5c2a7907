"""Every page as everybody who may see it; what is drawn from other templates, in a real browser, in light and dark.

All addresses are asked over HTTP, by all roles. The browser shows a page once for each set of templates that it is
drawn from, wide and narrow. There it must neither complain (console, policy, scripts) nor be wider than its window, and
axe finds nothing serious. Nobody changes anything here, so that all walk through one world. Pictures are kept in
`var/screenshots/` where they are asked for (`make pictures`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from accounts.models import User
from plans.actions import propose
from tests.support.cohort import Cohort, browser, make_cohort, present, run_job
from tests.support.committed import committed
from tests.support.federation import DECLARATION
from tests.support.live_platform import serving
from tests.support.page_audit import NOTHING, complaints_of, signed_in, walk
from tests.support.pages import pages_of
from tests.support.plans import CHANGED, SOURCE, uploaded
from tests.support.statistics_work import bring_columns, count_through
from tests.support.windows import SCREENSHOTS, VIEWS
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
WITHOUT_SOURCE = {name: value for name, value in DECLARATION.items() if name != "source"}
ROLES = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour", "nobody")
LINK = re.compile(r'<a\b[^>]*?\shref="(/[^"#]*)')
Templates = frozenset[str]


@dataclass
class World:
    """A finished job, a running one, a silo to confirm; all on a port.

    `drawn` is what a browser has shown in all views, by the templates it is drawn from; `seen` what axe looked at.
    """

    cohort: Cohort
    done: Job
    running: Job
    counted: Job
    port: int
    seen: set[str] = field(default_factory=set)
    drawn: set[Templates] = field(default_factory=set)

    def pages(self) -> dict[str, str]:
        """What the scientist may see."""
        counted = {
            "job-of-statistics": f"/jobs/{self.counted.id}/",
            "job-statistics": f"/jobs/{self.counted.id}/statistics/",
            "job-of-statistics-report": f"/jobs/{self.counted.id}/report/",
            "dataset-with-statistics": f"/datasets/{self.counted.cohort_members.earliest('position').dataset_id}/",
        }
        return pages_of(self.cohort, self.done, self.running) | counted

    def new_pages(self, user: User | None, pages: Mapping[str, str]) -> dict[str, str]:
        """Those that no browser has shown yet. All are asked for: somebody who may see a page gets it."""
        client = Client() if user is None else browser(user)
        new, statuses = {}, {}
        for name, address in pages.items():
            answer = client.get(address)
            if answer.status_code != (404 if NOTHING in address else 200):
                statuses[name] = answer.status_code
            if (templates := frozenset(str(one.name) for one in answer.templates)) not in self.drawn:
                self.drawn.add(templates)
                new[name] = address
        assert not statuses
        return new

    def show(self, chromium: Browser, user: User | None, pages: Mapping[str, str], folder: str) -> None:
        """Look at these pages in every view."""
        if not pages:
            return
        with walk(chromium, self.port, user, SCREENSHOTS / folder, self.seen) as somebody:
            for name, address in pages.items():
                somebody.look(name, address)
        assert not somebody.wrong


@pytest.fixture(scope="module")
def db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Instead of one that each test finds empty."""
    with committed(django_db_blocker, tmp_path_factory.mktemp("blobs")):
        yield


@pytest.fixture(scope="module")
def world(db: None, heart_disease: Path) -> Iterator[World]:
    cohort = make_cohort()
    present(cohort)
    silos = [
        bring_columns(played, WITHOUT_SOURCE, heart_disease / f"processed.{name}.data")
        for played, name in zip(cohort.federation.silos, ("cleveland", "hungarian", "va"), strict=True)
    ]
    cohort.federation.agree()
    counted = count_through(cohort.federation, silos, "age", "sex", "cp", "chol")
    for source in (SOURCE, CHANGED):
        propose(plan=uploaded(cohort.federation.consortium, cohort.scientist, source), by=cohort.scientist)
    done, running = run_job(cohort, rounds=4), run_job(cohort, rounds_answered=1)
    with serving() as port:
        yield World(cohort, done, running, counted, port)


def test_every_page_is_in_order(world: World, chromium: Browser) -> None:
    new = world.new_pages(world.cohort.scientist, world.pages())
    assert len(new) > 40, "templates are told apart"
    world.show(chromium, world.cohort.scientist, new, "pages")
    strangers = {"sign-in": "/sign-in/", "forgotten": "/password/forgotten/"}
    world.show(chromium, None, world.new_pages(None, strangers), "pages")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reaches_every_page_that_is_linked_for_it(world: World, chromium: Browser, role: str) -> None:
    """Each role, from the home page along every link of the way around, and what waits for them."""
    user = getattr(world.cohort, role)
    home = browser(user).get("/").content.decode()
    ways = sorted({unescape(address) for address in LINK.findall(home)})
    pages = {way: way for way in ways if "/api/" not in way and "." not in way.rsplit("/", 1)[-1]}
    assert len(pages) > 4
    new = world.new_pages(user, {f"{role}-home": "/", **pages})
    named = {f"{role}-{address.strip('/').replace('/', '-')}"[:100]: address for address in new.values()}
    world.show(chromium, user, named, "roles")


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
        shown: set[Templates] = set()
        for name, address in world.pages().items():
            templates = frozenset(str(one.name) for one in browser(scientist).get(address).templates)
            if templates in shown:
                continue
            shown.add(templates)
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
