"""What members' people do, each from signing in to the end of their way: they click, type and read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from accounts.actions import grant_role
from accounts.models import Organisation
from accounts.permissions import Role
from consortia import invitations
from consortia.actions import found_consortium, grant_consortium_role
from consortia.models import Consortium, Participation
from federation.protocol.keys import PrivateKey
from silos import actions
from silos.models import Silo
from tests.support.cohort import Cohort, make_cohort, present, run_job
from tests.support.federation import TEST, certificate, statement
from tests.support.live_platform import serving
from tests.support.patience import FAILS_AFTER_MS
from tests.support.stories import story
from tests.support.world import person
from training.engine import answers
from training.models import Order

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


def test_an_organisation_administrator_takes_people_in_and_confirms_a_silo(
    cohort: Cohort, chromium: Browser, port: int
) -> None:
    silo, member_organisation = present(cohort), cohort.silo.organisation
    administrator = person("house-administrator")
    grant_role(user=administrator, organisation=member_organisation, role=Role.ORGANISATION_ADMINISTRATOR, by=TEST)
    with story(chromium, port, "organisation-administrator", administrator) as reported:
        reported.follow("Compare the fingerprints of annexe")
        reported.look("to-confirm")
        reported.fill(The_identity_fingerprint="0000 0000")
        reported.press("They are the same: confirm")
        silo.refresh_from_db()
        assert silo.identity is not None
        reported.fill(The_identity_fingerprint=silo.identity.fingerprint)
        reported.press("They are the same: confirm")
        reported.says("the connector may work from now on")
        reported.go("Organisations")
        reported.follow(member_organisation.name)
        reported.fill(mail_address="new-colleague@example.org", Full_name="Nora New")
        reported.page.get_by_label("Role").select_option(label="Silo IT")
        reported.press("Take in")
        expect(reported.page.get_by_role("cell", name="new-colleague@example.org")).to_be_visible()
        reported.look("taken-in")
        reported.go("Datasets")
        reported.page.get_by_role("row", name=member_organisation.name).get_by_role("link").first.click()
        reported.follow("Withdraw…")
        reported.press("Withdraw it")
        reported.says("is withdrawn")
        reported.press("Offer again")
        reported.says("is on offer again")
        reported.go("Home")
        reported.follow("Found a consortium")
        reported.fill(Name="Kidneys", Short_name="kidneys", Description="Chronic disease, three years")
        reported.page.get_by_label("First member").select_option(label=member_organisation.name)
        reported.press("Found")
        reported.heading("Kidneys")
        reported.look("founded")
    assert Silo.objects.get(id=silo.id).state == Silo.State.ACTIVE
    assert Consortium.objects.get(slug="kidneys").participations.get().organisation == member_organisation


def test_a_steward_answers_an_invitation_and_watches_over_the_organisation(
    cohort: Cohort, chromium: Browser, port: int
) -> None:
    other = found_consortium(name="Lungs", slug="lungs", organisation=cohort.elsewhere, by=cohort.outsider)
    invitations.invite(
        consortium=other, organisation=cohort.silo.organisation, message="Will you join us?", by=cohort.outsider
    )
    key = PrivateKey.generate().public
    with story(chromium, port, "steward", cohort.steward) as reported:
        expect(reported.page.get_by_text("Will you join us?")).to_be_visible()
        reported.look("home")
        reported.press("Take part in Lungs")
        reported.says("takes part now")
        reported.follow("Lungs")
        reported.tab("Participants")
        reported.go("Organisations")
        reported.follow(cohort.silo.organisation.name)
        reported.page.get_by_label("Public key").fill("not a key")
        reported.press("Register the key")
        reported.look("not-a-key")
        reported.page.get_by_label("Public key").fill(key.encoded)
        reported.press("Register the key")
        expect(reported.page.get_by_text("revoke that one first")).to_be_visible()
        reported.follow("Revoke…")
        reported.press("Revoke it")
        reported.says("The signatory key is revoked")
        reported.page.get_by_label("Public key").fill(key.encoded)
        reported.press("Register the key")
        reported.says("The signatory key is registered")
        reported.go("Silos")
        reported.page.get_by_role("main").get_by_role("link", name=cohort.silo.name).click()
        reported.follow("Revoke…")
        reported.follow("No, go back")
        reported.look("silo")
        reported.go("Activity")
    assert Participation.objects.get(consortium=other, organisation=cohort.silo.organisation).state == "active"


def test_silo_it_makes_a_silo_and_sees_why_an_order_was_refused(cohort: Cohort, chromium: Browser, port: int) -> None:
    order = Order.objects.get(step__round__job=run_job(cohort, rounds_answered=0), silo=cohort.silo)
    answers.answer(document=cohort.federation.silos[0].refuse(order), by=cohort.silo)
    with story(chromium, port, "silo-it", cohort.it) as reported:
        reported.look("home")
        reported.go("Silos")
        reported.follow("New silo")
        reported.fill(Name="Annexe of the second cardiology ward, north wing")
        reported.press("Make it")
        reported.says("Now enrol its connector")
        reported.press("Make an enrolment code")
        code = reported.page.get_by_role("region", name="the enrolment code").inner_text()
        reported.look("code")
        signatory, identity = cohort.federation.silos[0].signatory, PrivateKey.generate()
        actions.enrol(
            code=code,
            transport_key=PrivateKey.generate().public,
            statement=statement(identity, signatory),
            certificate=certificate(cohort.silo.organisation.name, identity, signatory),
            by=TEST,
        )
        expect(reported.page.get_by_text("An administrator of")).to_be_visible(timeout=FAILS_AFTER_MS)
        reported.look("presented")
        reported.go("Silos")
        reported.page.get_by_role("main").get_by_role("link", name=cohort.silo.name).click()
        expect(reported.page.get_by_text("data.unreadable").first).to_be_visible()
        reported.look("refused")


def test_an_auditor_reads_what_was_done_and_changes_nothing(cohort: Cohort, chromium: Browser, port: int) -> None:
    job = run_job(cohort)
    second: Organisation = cohort.federation.silos[1].silo.organisation
    auditor = person("auditor")
    grant_role(user=auditor, organisation=second, role=Role.AUDITOR, by=TEST)
    grant_consortium_role(
        user=auditor, consortium=cohort.federation.consortium, role=Role.AUDITOR, by=cohort.administrator
    )
    with story(chromium, port, "auditor", auditor) as reported:
        reported.look("home")
        reported.go("Activity")
        reported.page.get_by_label("What").fill("job.")
        reported.press("Show")
        reported.look("activity")
        with reported.page.expect_download() as download:
            reported.page.get_by_role("link", name="CSV").click()
        assert "job.completed" in Path(download.value.path()).read_text()
        reported.follow(job.name)
        expect(reported.page.get_by_role("link", name="Launch again…")).to_have_count(0)
        reported.tab("Events")
        reported.tab("Report")
        reported.look("report")
        reported.follow("Model")
        reported.look("model")
        expect(reported.page.get_by_role("link", name="Download")).to_have_count(0)
        reported.follow("Consortium heart")
        reported.tab("Participants")
        expect(reported.page.get_by_role("button", name="Invite")).to_have_count(0)
        reported.tab("Settings")
