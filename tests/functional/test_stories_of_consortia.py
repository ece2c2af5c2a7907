"""What those who run a consortium, its jobs and the platform do, each from signing in to the end of their way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import Organisation, User
from accounts.permissions import Role
from accounts.welcome import welcome_url
from consortia.actions import grant_consortium_role
from tests.support.cohort import Cohort, answer_round, make_cohort, run_job
from tests.support.federation import TEST
from tests.support.live_platform import serving
from tests.support.stories import LARGE_DARK, LARGE_LIGHT, PASSWORD, story
from tests.support.world import person
from training.engine import start
from training.models import Job
from training.transitions import JobState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # whitenoise's static files; Django takes each into memory as a whole
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
]


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort()


@pytest.fixture
def port(cohort: Cohort) -> Iterator[int]:
    with serving() as port:
        yield port


def test_a_consortium_administrator_invites_grants_and_steers(cohort: Cohort, chromium: Browser, port: int) -> None:
    consortium, job = cohort.federation.consortium, run_job(cohort, rounds_answered=1)
    convener = person("convener")
    grant_consortium_role(user=convener, consortium=consortium, role=Role.CONSORTIUM_ADMINISTRATOR, by=TEST)
    with story(chromium, port, "consortium-administrator", convener) as reported:
        reported.follow(consortium.name)
        reported.tab("Participants")
        reported.page.get_by_role("textbox", name="Organisation").fill("nobody-knows")
        reported.page.get_by_label("Message").fill("Will you join us?")
        reported.press("Invite")
        reported.look("unknown-organisation")
        reported.page.get_by_role("textbox", name="Organisation").fill(cohort.elsewhere.slug)
        reported.press("Invite")
        reported.says("The invitation is sent")
        reported.page.get_by_label("E-mail address").fill(cohort.nobody.email)
        reported.page.get_by_label("Role").select_option(label="Auditor")
        reported.press("Offer")
        reported.says("The role is offered")
        reported.look("participants")
        reported.press("Take it back")
        reported.says("The invitation is taken back")
        reported.tab("Settings")
        reported.page.get_by_label("Description").fill("Four hospitals learn together. " * 12)
        reported.press("Save")
        reported.says("Saved")
        reported.look("settings")
        reported.tab("Jobs")
        reported.follow(job.name)
        reported.follow("Pause…")
        reported.press("Pause it")
        reported.says("The job is paused")
        reported.look("paused")
        reported.go("Home")
        reported.follow("Resume… " + job.name)
        reported.press("Resume it")
        reported.says("The job is running")
        reported.follow(consortium.name)
        reported.tab("Activity")
    with story(chromium, port, "offered", cohort.nobody) as reported:
        reported.look("role-offered")
        reported.press(f"Accept Auditor of {consortium.name}")
        reported.says("You have a role in")
        reported.heading("Home")
    assert consortium.roles.filter(user=cohort.nobody, role=Role.AUDITOR).exists()


def test_a_data_scientist_launches_follows_and_takes_the_model(cohort: Cohort, chromium: Browser, port: int) -> None:
    consortium, earlier = cohort.federation.consortium, run_job(cohort, rounds=4)
    with story(chromium, port, "data-scientist", cohort.scientist) as reported:
        reported.follow(consortium.name)
        reported.follow("Launch a job")
        reported.page.get_by_role("button", name="Choose all").click()
        reported.page.get_by_label("Name").fill(
            "A second look at the hospitals, with a longer name than most jobs have"
        )
        reported.page.get_by_role("radio", name="Clear").check()
        expect(reported.page.get_by_text("Ready to launch")).to_be_visible()
        reported.look("launch")
        reported.press("Launch")
        expect(reported.page.get_by_role("status").first).to_contain_text("queued")
        job = Job.objects.get(state=JobState.QUEUED)
        start.start(job_id=job.id, by=TEST)
        answer_round(cohort, job)
        expect(reported.page.get_by_role("status").first).to_contain_text("Round 2: collecting")
        reported.look("running")
        reported.go("Jobs")
        for one in (job, earlier):
            reported.page.get_by_role("checkbox", name=f"Compare {one.name}").check()
        reported.press("Compare")
        reported.heading("2 jobs side by side")
        reported.look("compared")
        reported.go("Jobs")
        reported.page.get_by_role("link", name=earlier.name, exact=True).click()
        reported.look("completed", LARGE_DARK)
        reported.tab("Silos")
        reported.look("silos")
        reported.tab("Rounds")
        reported.follow("Model")
        with reported.page.expect_download() as download:
            reported.follow("Download the best")
        assert Path(download.value.path()).stat().st_size
        reported.look("model", LARGE_LIGHT)
        reported.follow("Job")
        reported.follow("Launch again…")
        reported.says("Filled in as")
        reported.look("again", LARGE_LIGHT)
        reported.page.get_by_role("navigation", name="Account").get_by_role("link", name="Account").click()
        reported.follow("Make and revoke")
        reported.page.get_by_label("Name").fill("notebook on my laptop")
        reported.page.get_by_role("checkbox", name="jobs:read").check()
        reported.press("Make the token")
        reported.says("This is your new token")
        reported.go("Home")
        reported.look("home", LARGE_DARK)
        reported.follow("The REST API in five minutes")


def test_a_platform_administrator_takes_an_organisation_in_and_its_first_person_comes(
    cohort: Cohort, chromium: Browser, port: int
) -> None:
    with story(chromium, port, "platform-administrator", cohort.platform_admin) as reported:
        reported.go("Organisations")
        reported.fill(Name="Spital Süd mit einem langen Namen, Abteilung für Kardiologie", Short_name="Spital Süd")
        reported.page.get_by_label("Country").fill("CH")
        reported.press("Take it in")
        reported.look("wrong-short-name")
        reported.page.get_by_label("Short name").fill("spital-sued")
        reported.press("Take it in")
        reported.says("The organisation is taken in")
        reported.follow("Spital Süd")
        reported.page.get_by_label("E-mail address").fill("anna@spital.example")
        reported.page.get_by_label("Full name").fill("Anna Administrator")
        reported.page.get_by_label("Role").select_option(label="Organisation administrator")
        reported.press("Take in")
        reported.says("An invitation is on its way to anna@spital.example")
        reported.look("invited")
        reported.go("Activity")
    address = welcome_url(User.objects.get(email="anna@spital.example"))  # as it stands in the e-mail
    with story(chromium, port, "first-person") as reported:
        reported.page.goto(re.sub(r"^https?://[^/]+", "", address.strip()))
        reported.look("welcome")
        for label in reported.page.get_by_label(re.compile("password", re.IGNORECASE)).all():
            label.fill(PASSWORD)
        reported.press("Set the password")
        reported.says("Your password is set")
        reported.page.get_by_label("E-mail address").fill("anna@spital.example")
        reported.page.get_by_label("Password").fill(PASSWORD)
        reported.press("Sign in")
        reported.heading("Home")
        reported.look("home")
        reported.go("Silos")
        reported.look("no-silo")
        reported.go("Jobs")
    assert Organisation.objects.get(slug="spital-sued").name.startswith("Spital Süd")
