"""The pages of agreements in a real browser, as those who draft, negotiate and sign see them; and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import User
from agreements.actions import drafting, lifecycle
from agreements.models import AgreementVersion
from tests.support.agreements import agreed, parsed, proposed, signed_by
from tests.support.cohort import Cohort, make_cohort
from tests.support.live_platform import serving
from tests.support.page_audit import signed_in, walk
from tests.support.windows import SCREENSHOTS, VIEWS

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


def wrong_with(chromium: Browser, port: int, user: User, pages: dict[str, str]) -> dict[str, list[str]]:
    """What is wrong with these pages for somebody."""
    with walk(chromium, port, user, SCREENSHOTS / "agreements") as own:
        for name, address in pages.items():
            own.look(name, address)
    return own.wrong


def test_every_page_is_in_order(cohort: Cohort, port: int, chromium: Browser) -> None:
    federation = cohort.federation
    base = f"/consortia/{federation.consortium.id}/agreement/"
    wrong = wrong_with(chromium, port, cohort.administrator, {"none": base, "first-draft": f"{base}draft/"})
    current = agreed(federation)
    coming = proposed(federation, protection=["masked", "clear"])
    drafting.comment(version=coming, clause="privacy", text="We need differential privacy.", by=cohort.steward)
    drafting.revise(
        version=coming,
        terms=parsed(federation, privacy={"required": True, "epsilon_max": 3.0, "delta_max": 1e-6}),
        note="With differential privacy",
        by=cohort.steward,
    )
    page = f"/agreements/{coming.pk}/"
    wrong |= wrong_with(
        chromium,
        port,
        cohort.administrator,
        {
            "overview": base,
            "in-force": f"/agreements/{current.pk}/",
            "proposed": page,
            "edit": f"{page}edit/",
            "compare": f"{page}compare/",
            "compare-wordings": f"{page}compare/?to=2",
            "paper": f"/agreements/{current.pk}/paper/",
            "open-signing": f"{page}open-signing/",
        },
    )
    lifecycle.open_signing(version=coming, by=cohort.administrator)
    organisation = cohort.silo.organisation_id
    own = {"home-steward": "/", "signing": page, "suspend": f"/agreements/{current.pk}/members/{organisation}/suspend/"}
    wrong |= wrong_with(chromium, port, cohort.steward, own)
    assert not wrong


def test_an_agreement_comes_about_without_scripts(cohort: Cohort, port: int, chromium: Browser, tmp_path: Path) -> None:
    """Drafted, changed where it was wrong, proposed, opened, signed on premises and submitted."""
    context = chromium.new_context(base_url=f"http://127.0.0.1:{port}", java_script_enabled=False)
    context.add_cookies(
        signed_in(chromium, port, cohort.administrator, VIEWS[0]).cookies()  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"/consortia/{cohort.federation.consortium.id}/agreement/draft/")
    page.get_by_label("Rounds at most").fill("77")
    page.get_by_label("clear: the platform's operator can read each one").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved yet")
    expect(page.get_by_label("Rounds at most")).to_have_value("77")
    page.get_by_label("Why updates may leave in clear").fill("The members trust the operator with single updates.")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Propose…").click()
    page.get_by_role("button", name="Propose it").click()
    page.get_by_role("link", name="Open signing…").click()
    page.get_by_role("button", name="Open signing").click()
    expect(page.get_by_text("0 of 3 members have signed")).to_be_visible()
    context.close()
    version = AgreementVersion.objects.get()
    assert version.terms["training_limits"]["rounds_max"] == 77
    file = tmp_path / "signed.json"
    file.write_bytes(signed_by(version, cohort.federation.silos[0].signatory))
    context = chromium.new_context(base_url=f"http://127.0.0.1:{port}", java_script_enabled=False)
    context.add_cookies(signed_in(chromium, port, cohort.steward, VIEWS[0]).cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name=f"Sign {cohort.federation.consortium.name}").click()
    page.get_by_label("Signed document").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("The signature is taken.")).to_be_visible()
    context.close()
