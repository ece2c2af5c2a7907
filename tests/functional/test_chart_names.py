"""What people call their jobs and silos is text in a drawing, as a browser shows it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from silos.models import Silo
from tests.support.cohort import make_cohort, run_job
from tests.support.live_platform import serving
from tests.support.page_audit import signed_in
from tests.support.windows import DRAWN, VIEWS
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]
LINK = '<a href="https://evil.example">Click</a>'
GIANT = '<span style="font-size:90px">Giant</span> &amp; %{meta}'
TEXTS = """
    () => [...document.querySelectorAll(".plot text")].map(one => (
        {text: one.textContent, size: parseFloat(getComputedStyle(one).fontSize)}
    ))
"""
INNER = """
    () => [...document.querySelectorAll(".plot tspan")].filter(
        one => parseFloat(getComputedStyle(one).fontSize) > 20
    ).length
"""


def test_a_legend_shows_names_as_they_are(chromium: Browser, blob_root: object) -> None:
    cohort = make_cohort()
    job = run_job(cohort, rounds=2)
    other = run_job(cohort, rounds=2)
    first, second = (cohort_member.silo_id for cohort_member in job.cohort_members.order_by("position")[:2])
    Silo.objects.filter(id=first).update(name=LINK)
    Silo.objects.filter(id=second).update(name=GIANT)
    Job.objects.filter(id=job.id).update(name=LINK)
    with serving() as port:
        context = signed_in(chromium, port, cohort.scientist, VIEWS[0])
        page = context.new_page()
        for address in (f"/jobs/{job.id}/", f"/jobs/{job.id}/rounds/", f"/jobs/compare/?job={job.id}&job={other.id}"):
            page.goto(f"http://127.0.0.1:{port}{address}")
            page.wait_for_function(DRAWN)
            texts = page.evaluate(TEXTS)
            assert not page.locator(".plot a").count()
            assert page.evaluate(INNER) == 0
            assert max((one["size"] for one in texts), default=0) <= 20
            if address == f"/jobs/{job.id}/":
                shown = {one["text"] for one in texts}
                assert {LINK, GIANT} <= shown, shown
        context.close()
