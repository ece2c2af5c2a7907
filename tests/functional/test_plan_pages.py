"""Training plans in a real browser: how they look to who reviews them, and one from its upload to a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from plans.actions import accept_review, propose, record_verdict
from plans.models import CodeApproval, TrainingPlan, Via
from tests.support.cohort import Cohort, make_cohort
from tests.support.live_platform import serving
from tests.support.page_audit import complaints_of, signed_in, walk
from tests.support.plans import CHANGED, SOURCE, agree_on, sealed_review, uploaded
from tests.support.second_factors import code, telephone
from tests.support.windows import SCREENSHOTS, VIEWS
from training.models import Job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort(agreed=False)


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


def test_every_page_is_in_order(cohort: Cohort, port: int, chromium: Browser) -> None:
    federation = cohort.federation
    base = f"/consortia/{federation.consortium.id}/plans/"
    wrong = _walk(chromium, port, cohort.scientist, {"none": base, "upload": f"{base}upload/"})
    agree_on(federation, SOURCE, CHANGED, reviewers=2)
    old, new = (uploaded(federation.consortium, cohort.scientist, source) for source in (SOURCE, CHANGED))
    for played, verdict in zip(federation.silos, ("approved", "approved", "refused"), strict=True):
        sealed = sealed_review(played, old, verdict=verdict, note="Read line by line.")
        accept_review(envelope=sealed, by=played.silo, via=Via.CONNECTOR)
    propose(plan=new, by=cohort.scientist)
    record_verdict(
        plan=old,
        organisation=cohort.silo.organisation,
        verdict="approved",
        note="It imports torch alone.",
        seen_digest=old.digest,
        shown_by="second factor",
        by=cohort.steward,
    )
    pages = {"list": base, "old": f"/plans/{old.pk}/", "new": f"/plans/{new.pk}/"}
    wrong |= _walk(chromium, port, cohort.steward, {"home": "/", **pages})
    wrong |= _walk(chromium, port, cohort.scientist, {"launch": f"/consortia/{federation.consortium.id}/launch/"})
    assert not wrong


def _walk(chromium: Browser, port: int, user: User, pages: dict[str, str]) -> dict[str, list[str]]:
    """What is wrong with these pages for somebody, everything unfolded."""
    with walk(chromium, port, user, SCREENSHOTS / "plans") as own:
        for name, address in pages.items():
            own.look(name, address)
    return own.wrong


def _launch_form(page: Page, cohort: Cohort) -> None:
    """Fill it in: by the plan, over every silo."""
    page.goto(f"/consortia/{cohort.federation.consortium.id}/launch/")
    page.get_by_label("Name").fill("By our own code")
    page.get_by_role("button", name="Choose all").click()
    page.get_by_label("Training plan (custom code)").check()
    expect(page.get_by_label("Training plan:")).to_be_visible()
    page.get_by_label("Clear: the platform sees").check()


def test_from_the_upload_to_a_job(cohort: Cohort, port: int, chromium: Browser, tmp_path: Path) -> None:
    secret = telephone(cohort.steward)
    scientist = signed_in(chromium, port, cohort.scientist, VIEWS[0])
    page = scientist.new_page()
    complaints = complaints_of(page)
    file = tmp_path / "focal.py"
    file.write_bytes(SOURCE)
    page.goto(f"/consortia/{cohort.federation.consortium.id}/plans/")
    page.get_by_role("link", name="Upload a plan").click()
    page.get_by_label("The file").set_input_files(file)
    page.get_by_label("Ask the members' stewards").check()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Uploaded.", exact=True)).to_be_visible()
    plan = TrainingPlan.objects.get()
    assert bytes(plan.source) == SOURCE
    agree_on(cohort.federation, SOURCE)

    steward = signed_in(chromium, port, cohort.steward, VIEWS[0])
    reading = steward.new_page()
    complaints_too = complaints_of(reading)
    reading.goto("/")
    reading.get_by_role("link", name=f"Review {plan.title}").click()
    expect(reading.locator(".source .line")).to_have_count(len(SOURCE.splitlines()))
    reading.get_by_label("I have read it and approve it").check()
    reading.locator("input[name='proof']").fill(code(secret))
    reading.get_by_role("button", name="Record my verdict").dblclick()
    expect(reading.get_by_text("approved here, not signed").first).to_be_visible()
    assert CodeApproval.objects.count() == 1
    reading.go_back()
    reading.goto(f"/plans/{plan.pk}/")
    expect(reading.get_by_text("You approved it")).to_be_visible()

    _launch_form(page, cohort)
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.get_by_text("Nothing was launched yet")).to_be_visible()
    expect(page.get_by_text("agreement.code_review").first).to_be_visible()
    assert not Job.objects.exists()

    signed = tmp_path / "review.json"
    signed.write_bytes(sealed_review(cohort.federation.silos[0], plan))
    reading.get_by_label("Signed review").set_input_files(signed)
    reading.get_by_role("button", name="Upload").click()
    expect(reading.get_by_text("The review is taken.")).to_be_visible()
    for played in cohort.federation.silos[1:]:
        accept_review(envelope=sealed_review(played, plan), by=played.silo, via=Via.CONNECTOR)
    expect(reading.get_by_text("The review is taken.")).to_be_visible()

    _launch_form(page, cohort)
    expect(page.get_by_text("Ready to launch")).to_be_visible()
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/jobs/**")
    job = Job.objects.get()
    assert (job.request["plan"], job.request["model"]) == (plan.digest, None)
    scientist.close()
    steward.close()
    expected = ("422", "htmx:sendAbort", "htmx:afterRequest")  # refused once; a preview that was no longer waited for
    assert not [one for one in complaints + complaints_too if not any(text in one for text in expected)]


def test_plan_pages_work_without_scripts(cohort: Cohort, port: int, chromium: Browser) -> None:
    context = chromium.new_context(base_url=f"http://127.0.0.1:{port}", java_script_enabled=False)
    context.add_cookies(signed_in(chromium, port, cohort.scientist, VIEWS[0]).cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"/consortia/{cohort.federation.consortium.id}/plans/upload/")
    page.get_by_label("Or its text").fill(SOURCE.decode().replace('"shape"', '"form"', 1))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("PLAN.parameters.0.shape")).to_be_visible()
    page.get_by_label("Or its text").fill(SOURCE.decode())
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="Logistic regression, written out")).to_be_visible()
    assert bytes(TrainingPlan.objects.get().source) == SOURCE
    page.get_by_role("button", name="Ask the members to review it").click()
    expect(page.get_by_text("asked for it")).to_be_visible()
    context.close()
