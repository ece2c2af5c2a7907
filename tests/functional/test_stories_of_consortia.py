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
    with story(chromium, port, "consortium-administrator", convener) as told:
        told.follow(consortium.name)
        told.tab("Participants")
        told.page.get_by_role("textbox", name="Organisation").fill("nobody-knows")
        told.page.get_by_label("Message").fill("Will you join us?")
        told.press("Invite")
        told.look("unknown-organisation")
        told.page.get_by_role("textbox", name="Organisation").fill(cohort.elsewhere.slug)
        told.press("Invite")
        told.told("The invitation is sent")
        told.page.get_by_label("E-mail address").fill(cohort.nobody.email)
        told.page.get_by_label("Role").select_option(label="Auditor")
        told.press("Offer")
        told.told("The role is offered")
        told.look("participants")
        told.press("Take it back")
        told.told("The invitation is taken back")
        told.tab("Settings")
        told.page.get_by_label("Description").fill("Four hospitals learn together. " * 12)
        told.press("Save")
        told.told("Saved")
        told.look("settings")
        told.tab("Jobs")
        told.follow(job.name)
        told.follow("Pause…")
        told.press("Pause it")
        told.told("The job is paused")
        told.look("paused")
        told.go("Home")
        told.follow("Resume… " + job.name)
        told.press("Resume it")
        told.told("The job is running")
        told.follow(consortium.name)
        told.tab("Activity")
    with story(chromium, port, "offered", cohort.nobody) as told:
        told.look("role-offered")
        told.press(f"Accept Auditor of {consortium.name}")
        told.told("You have a role in")
        told.heading("Home")
    assert consortium.roles.filter(user=cohort.nobody, role=Role.AUDITOR).exists()


def test_a_data_scientist_launches_follows_and_takes_the_model(cohort: Cohort, chromium: Browser, port: int) -> None:
    consortium, earlier = cohort.federation.consortium, run_job(cohort, rounds=4)
    with story(chromium, port, "data-scientist", cohort.scientist) as told:
        told.follow(consortium.name)
        told.follow("Launch a job")
        told.page.get_by_role("button", name="Choose all").click()
        told.page.get_by_label("Name").fill("A second look at the hospitals, with a longer name than most jobs have")
        told.page.get_by_role("radio", name="Clear").check()
        expect(told.page.get_by_text("Ready to launch")).to_be_visible()
        told.look("launch")
        told.press("Launch")
        expect(told.page.get_by_role("status").first).to_contain_text("queued")
        job = Job.objects.get(state=JobState.QUEUED)
        start.start(job_id=job.id, by=TEST)
        answer_round(cohort, job)
        expect(told.page.get_by_role("status").first).to_contain_text("Round 2: collecting")
        told.look("running")
        told.go("Jobs")
        for one in (job, earlier):
            told.page.get_by_role("checkbox", name=f"Compare {one.name}").check()
        told.press("Compare")
        told.heading("2 jobs side by side")
        told.look("compared")
        told.go("Jobs")
        told.page.get_by_role("link", name=earlier.name, exact=True).click()
        told.look("completed", LARGE_DARK)
        told.tab("Silos")
        told.look("silos")
        told.tab("Rounds")
        told.follow("Model")
        with told.page.expect_download() as download:
            told.follow("Download the best")
        assert Path(download.value.path()).stat().st_size
        told.look("model", LARGE_LIGHT)
        told.follow("Job")
        told.follow("Launch again…")
        told.told("Filled in as")
        told.look("again", LARGE_LIGHT)
        told.page.get_by_role("navigation", name="Account").get_by_role("link", name="Account").click()
        told.follow("Make and revoke")
        told.page.get_by_label("Name").fill("notebook on my laptop")
        told.page.get_by_role("checkbox", name="jobs:read").check()
        told.press("Make the token")
        told.told("This is your new token")
        told.go("Home")
        told.look("home", LARGE_DARK)
        told.follow("The REST API in five minutes")


def test_a_platform_administrator_takes_an_organisation_in_and_its_first_person_comes(
    cohort: Cohort, chromium: Browser, port: int
) -> None:
    with story(chromium, port, "platform-administrator", cohort.platform_admin) as told:
        told.go("Organisations")
        told.fill(Name="Spital Süd mit einem langen Namen, Abteilung für Kardiologie", Short_name="Spital Süd")
        told.page.get_by_label("Country").fill("CH")
        told.press("Take it in")
        told.look("wrong-short-name")
        told.page.get_by_label("Short name").fill("spital-sued")
        told.press("Take it in")
        told.told("The organisation is taken in")
        told.follow("Spital Süd")
        told.page.get_by_label("E-mail address").fill("anna@spital.example")
        told.page.get_by_label("Full name").fill("Anna Administrator")
        told.page.get_by_label("Role").select_option(label="Organisation administrator")
        told.press("Take in")
        told.told("An invitation is on its way to anna@spital.example")
        told.look("invited")
        told.go("Activity")
    address = welcome_url(User.objects.get(email="anna@spital.example"))  # as it stands in the e-mail
    with story(chromium, port, "first-person") as told:
        told.page.goto(re.sub(r"^https?://[^/]+", "", address.strip()))
        told.look("welcome")
        for label in told.page.get_by_label(re.compile("password", re.IGNORECASE)).all():
            label.fill(PASSWORD)
        told.press("Set the password")
        told.told("Your password is set")
        told.page.get_by_label("E-mail address").fill("anna@spital.example")
        told.page.get_by_label("Password").fill(PASSWORD)
        told.press("Sign in")
        told.heading("Home")
        told.look("home")
        told.go("Silos")
        told.look("no-silo")
        told.go("Jobs")
    assert Organisation.objects.get(slug="spital-sued").name.startswith("Spital Süd")
