"""The pages in a real browser, under our security policy: signing in, launching, following a job live, steering it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from accounts.actions import set_password
from artefacts import store
from silos.models import Dataset
from tests.support.cohort import Cohort, answer_round, make_cohort, run_job
from tests.support.federation import TEST
from tests.support.live_platform import serving
from tests.support.patience import FAILS_AFTER_MS
from training.engine import start
from training.models import Job
from training.transitions import JobState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]

EXPECTED = re.compile(r"status of 422|^htmx:(afterRequest|sendAbort), ")
"""A refused form; a fragment that was under way when its page was left."""
PASSWORD = "a long password 1"


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    made = make_cohort()
    set_password(user=made.scientist, password=PASSWORD, by=TEST)
    return made


@pytest.fixture
def page(cohort: Cohort, chromium: Browser) -> Iterator[Page]:
    """A browser in which the data scientist has signed in; whatever it complains of fails the test."""
    with serving() as port:
        context = chromium.new_context(base_url=f"http://127.0.0.1:{port}")
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill(cohort.scientist.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("link", name="Consortium heart")).to_be_visible()
        yield page
        context.close()
    assert not [text for text in complaints if not EXPECTED.search(text)]


def test_a_job_is_followed_without_loading_the_page_again(cohort: Cohort, page: Page) -> None:
    job = run_job(cohort, rounds_answered=0)
    page.goto(f"/jobs/{job.id}/")
    status = page.get_by_role("status")
    expect(status).to_contain_text("Round 1: collecting, 0 of 3 silos have answered")
    page.evaluate("window.notLoadedAgain = true")
    page.get_by_role("link", name="Pause…").focus()
    answer_round(cohort, job)
    expect(status).to_contain_text("Round 2: collecting, 0 of 3")
    expect(status).to_contain_text("Accuracy 0.500")
    assert page.evaluate("document.activeElement.id") == "control-pause"
    answer_round(cohort, job)
    answer_round(cohort, job)
    expect(status).to_contain_text("completed")
    expect(page.get_by_role("link", name="Pause…")).to_have_count(0)
    assert page.evaluate("window.notLoadedAgain") is True


def test_a_job_is_cancelled_only_after_a_second_thought(cohort: Cohort, page: Page) -> None:
    job = run_job(cohort, rounds_answered=0)
    page.goto(f"/jobs/{job.id}/")
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("link", name="No, go back").click()
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_text("Cancelled by Dana Data. job.cancelled_by_request")).to_be_visible()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_the_launch_form_shows_what_belongs_to_the_choice_and_keeps_what_was_typed(cohort: Cohort, page: Page) -> None:
    page.get_by_role("link", name="Consortium heart").click()
    page.get_by_role("link", name="Launch a job").click()
    expect(page.get_by_label("Hidden")).to_be_hidden()
    page.get_by_role("radio", name="Multi-layer perceptron").check()
    expect(page.get_by_label("Hidden")).to_be_visible()
    page.get_by_label("Hidden").fill("eight")
    page.get_by_label("Name").fill("From the browser")
    for box in page.get_by_role("group", name="Datasets").get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Launch").click()  # the browser itself insists on a protection
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("radio", name="Clear").check()
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was launched yet")
    expect(page.get_by_label("Hidden")).to_have_value("eight")
    assert not Job.objects.exists()
    page.get_by_label("Hidden").fill("8")
    page.get_by_role("button", name="See what it takes").click()
    expect(page.get_by_role("region", name="What it takes")).to_contain_text("130")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("status")).to_contain_text("queued")
    job = Job.objects.get()
    assert job.request["model"]["hidden"] == [8]
    start.start(job_id=job.id, by=TEST)
    expect(page.get_by_role("status")).to_contain_text("running")


def test_a_model_is_downloaded(cohort: Cohort, page: Page) -> None:
    job = run_job(cohort, rounds=1)
    page.goto(f"/models/{job.model_id}/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the version after round 1").click()
    version = job.model.versions.get(round_number=1) if job.model else None
    assert version is not None
    assert Path(download.value.path()).read_bytes() == store.path_of(version.digest).read_bytes()


def test_the_launch_form_follows_what_is_typed(cohort: Cohort, page: Page) -> None:
    Dataset.objects.filter(id=cohort.dataset.id).update(schema_digest=f"sha256:{'0' * 64}")
    page.goto(f"/consortia/{cohort.federation.consortium.id}/launch/")
    other = page.locator(f'input[value="{cohort.dataset.id}"]')
    chosen = cohort.federation.silos[1].dataset
    assert chosen is not None
    page.locator(f'input[value="{chosen.id}"]').check()
    expect(other).to_be_disabled()
    expect(page.locator(f"#match-{cohort.dataset.id}")).to_contain_text("its schema is another")
    page.get_by_role("radio", name="Multi-layer perceptron").check()
    page.get_by_label("Hidden").fill("8")
    features = cohort.dataset.n_features
    expect(page.locator("#parameters")).to_have_text(str(8 * (features + 1) + 2 * 9), timeout=FAILS_AFTER_MS)
    page.get_by_label("Name").fill("Typed live")
    page.get_by_role("radio", name="Clear").check()
    expect(page.get_by_text("Ready to launch")).to_be_visible(timeout=FAILS_AFTER_MS)


def test_pages_of_models_and_the_tutorial_please_the_browser(cohort: Cohort, page: Page) -> None:
    job = run_job(cohort, rounds=1)
    for path in ("/models/", f"/models/{job.model_id}/?round=0&with=1", "/tutorial/", "/api/v1/docs/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")


def test_scripts_speak_the_language_that_somebody_chooses(cohort: Cohort, page: Page) -> None:
    job = run_job(cohort, rounds=1)
    Job.objects.filter(id=job.id).update(created_at=timezone.now() - timedelta(days=3))
    page.goto("/account/")
    page.get_by_label("Language").select_option("Deutsch")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Keep this").click()
    expect(page.get_by_role("status")).to_contain_text("Von jetzt an")
    page.goto("/jobs/")
    expect(page.get_by_text("vor 3 Tagen")).to_be_visible()
    page.goto(f"/consortia/{cohort.federation.consortium.id}/launch/")
    page.locator(f'input[value="{cohort.dataset.id}"]').check()
    expect(page.locator(f"#match-{cohort.dataset.id}")).to_have_text("gewählt")
    page.get_by_role("button", name="Alle wählen").click()
    expect(page.get_by_role("button", name="Keinen wählen")).to_be_visible()
    page.goto(f"/jobs/{job.id}/")
    page.wait_for_function("document.querySelector('.js-plotly-plot')")
    assert page.evaluate("document.querySelector('.js-plotly-plot').layout.separators") == ",."
