"""A job's page that stays open for long: it neither leaks nor hammers, rests while nobody looks, and ends with the job.

The page's clock is the test's own: minutes pass in moments. What the page asks for and what it holds is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.db import transaction
from playwright.sync_api import Browser, CDPSession, Page, Request, Route, expect

from audit.actions import record
from tests.support.cohort import Cohort, browser, make_cohort, run_job
from tests.support.federation import TEST
from tests.support.live_platform import serving
from tests.support.patience import attempts
from training.engine import control
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
UPDATES = 100
WARM = 20
HIDE = """
    hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }
"""


@dataclass
class Watched:
    """A page of a running job, and what it has asked for since it was loaded."""

    cohort: Cohort
    job: Job
    page: Page
    asked: list[str] = field(default_factory=list)

    def happen(self, verb: str = "order.submitted", times: int = 1) -> None:
        """Something of the job is written to the record."""
        with transaction.atomic():
            for _ in range(times):
                record(by=TEST, verb=verb, subject=self.job, job_id=self.job.id)

    def count(self, part: str) -> int:
        """How often something of this name was asked for."""
        return sum(part in one for one in self.asked)

    def pass_time(self, seconds: int, step_s: float = 5) -> None:
        """Let the page's clock run, with a moment for the network after each step."""
        for _ in range(round(seconds / step_s)):
            self.page.clock.run_for(round(1000 * step_s))
            self.page.wait_for_function("() => true")

    def until(self, reached: Callable[[], bool]) -> None:
        """Let time pass until so much was asked for."""
        for _ in attempts("the page has asked for more", every_s=0):
            if reached():
                return
            self.page.clock.fast_forward(1000)
            self.page.wait_for_timeout(20)  # the network keeps the real time


@pytest.fixture
def watched(transactional_db: None, blob_root: object, chromium: Browser) -> Iterator[Watched]:
    cohort = make_cohort()
    job = run_job(cohort, rounds_answered=2, rounds=9)
    with serving() as port:
        context = chromium.new_context(base_url=f"http://127.0.0.1:{port}")
        session = browser(cohort.scientist).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": f"http://127.0.0.1:{port}"}])
        page = context.new_page()
        page.clock.install()
        page.goto(f"/jobs/{job.id}/")
        expect(page.locator(".plot.skeleton")).to_have_count(0)
        found = Watched(cohort, job, page)
        page.on("request", lambda request: found.asked.append(_path(request)))
        yield found
        context.close()


def _path(request: Request) -> str:
    return request.url.partition("?")[0].partition("/jobs/")[2]


def held(session: CDPSession) -> dict[str, float]:
    """What the page holds once what it has let go of is gone."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    reported = session.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in reported}


def _answer_at_once(watched: Watched) -> None:
    """What the platform reports of the job now, again and again as if it were new, without its time for it."""
    client = browser(watched.cohort.scientist)
    text = {part: client.get(f"/jobs/{watched.job.id}/{part}/").content.decode() for part in ("live", "charts")}
    for part, body in text.items():
        watched.page.route(f"**/jobs/*/{part}/", partial(_fulfil, watched, body))


def _fulfil(watched: Watched, body: str, route: Route) -> None:
    route.fulfill(body=body, headers={"ETag": f'"{len(watched.asked)}"'})


def test_updates_leave_nothing_behind(watched: Watched) -> None:
    session = watched.page.context.new_cdp_session(watched.page)
    session.send("Performance.enable")

    _answer_at_once(watched)

    def updated(times: int) -> None:
        for _ in range(times):
            before = watched.count("/charts/")
            watched.happen("round.closed")
            watched.until(lambda: watched.count("/charts/") > before)  # noqa: B023 - called at once

    updated(WARM)
    first = held(session)
    updated(UPDATES)
    last = held(session)
    assert last["Nodes"] < first["Nodes"] + 200
    assert last["JSEventListeners"] < first["JSEventListeners"] + 20
    assert last["JSHeapUsedSize"] < first["JSHeapUsedSize"] + 3e6
    assert watched.page.locator(".plot.js-plotly-plot").count() == 2


def test_a_flood_of_events_is_no_flood_of_requests(watched: Watched) -> None:
    for _ in range(60):
        watched.happen(times=20)
        watched.pass_time(1, step_s=0.5)
    assert 1 <= watched.count("/live/") <= 35
    assert watched.count("/charts/") <= watched.count("/live/")


def test_a_page_that_nobody_sees_asks_for_nothing(watched: Watched) -> None:
    watched.page.evaluate(HIDE, True)
    watched.asked.clear()
    watched.happen("round.closed", 5)
    watched.pass_time(24 * 3600, step_s=3600)
    assert watched.asked == []
    watched.page.evaluate(HIDE, False)
    watched.until(lambda: watched.count("/live/") == 1 and watched.count("/events/") == 1)


def test_a_platform_that_is_away_is_asked_less_and_less_often(watched: Watched) -> None:
    watched.page.route("**/jobs/**", lambda route: route.abort())
    watched.page.evaluate(HIDE, True)
    watched.page.evaluate(HIDE, False)
    watched.asked.clear()
    watched.pass_time(600)
    assert 8 <= watched.count("/events/") <= 25
    watched.page.unroute_all()
    before = watched.count("/live/")
    watched.pass_time(120)
    watched.until(lambda: watched.count("/live/") > before)


def test_job_page_stops_asking_once_the_job_has_ended(watched: Watched) -> None:
    control.cancel(job=watched.job, by=watched.cohort.scientist)
    watched.until(lambda: watched.page.locator('[data-ended="yes"]').count() == 1)
    expect(watched.page.get_by_role("status")).to_contain_text("cancelled")
    watched.pass_time(10)
    watched.asked.clear()
    watched.page.evaluate(HIDE, True)
    watched.page.evaluate(HIDE, False)
    watched.pass_time(24 * 3600, step_s=3600)
    assert watched.asked == []


def test_who_has_signed_out_is_not_asked_for(watched: Watched) -> None:
    watched.page.context.clear_cookies()
    watched.happen("round.closed")
    watched.until(lambda: watched.count("/live/") >= 1)
    watched.pass_time(60)
    watched.asked.clear()
    watched.pass_time(3600, step_s=60)
    assert watched.asked == []
