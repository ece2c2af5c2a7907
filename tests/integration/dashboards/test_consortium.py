"""The pages of a consortium: for whom, with what on them, and two people who change the same thing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audit.models import Event
from consortia.actions import edit_consortium
from tests.support.cohort import Cohort, browser, run_job
from tests.support.federation import TEST

pytestmark = pytest.mark.django_db
TABS = ("", "participants/", "silos/", "datasets/", "jobs/", "models/", "activity/", "settings/")


def address(cohort: Cohort, tab: str = "") -> str:
    return f"/consortia/{cohort.federation.consortium.id}/{tab}"


@pytest.mark.parametrize("tab", TABS)
def test_for_whom_a_page_is_and_what_it_costs(cohort: Cohort, tab: str, django_assert_max_num_queries: Any) -> None:
    job, path = run_job(cohort), address(cohort, tab)
    assert Client().get(path).status_code == 302
    for user in (cohort.outsider, cohort.nobody):
        assert browser(user).get(path).status_code == 404
    for user in (cohort.administrator, cohort.scientist, cohort.neighbour, cohort.platform_admin):
        client = browser(user)
        with django_assert_max_num_queries(26):
            page = client.get(path).content.decode()
        assert page.count('aria-current="page"') == 1
    by_name = {
        "": f"/jobs/{job.id}/",
        "participants/": "Dana Data",
        "silos/": cohort.silo.name,
        "datasets/": f"/datasets/{cohort.dataset.id}/",
        "jobs/": f'name="job" value="{job.id}"',
        "models/": f"/models/{job.model_id}/",
        "activity/": "job.launched",
        "settings/": cohort.federation.consortium.slug,
    }
    assert by_name[tab] in browser(cohort.administrator).get(path).content.decode()


def test_only_ones_own_colleagues_and_who_has_a_role_here_are_listed(cohort: Cohort) -> None:
    page = browser(cohort.steward).get(address(cohort, "participants/")).content.decode()
    assert "Steward" in page
    assert "Dana Data" in page
    assert "Neighbour" not in page
    theirs = browser(cohort.neighbour).get(address(cohort, "participants/")).content.decode()
    assert "Neighbour" in theirs
    assert cohort.steward.full_name not in theirs.replace("Stewards", "")
    assert "Grant a role" not in theirs
    assert "Invite an organisation" not in theirs


def test_who_may_not_read_the_audit_log_sees_what_they_did(cohort: Cohort) -> None:
    run_job(cohort, rounds_answered=1)
    page = browser(cohort.scientist).get(address(cohort, "activity/"))
    assert {row.event.verb for row in page.context["rows"]} == {"job.launched"}
    assert "what you did yourself" in page.content.decode()
    assert len(browser(cohort.neighbour).get(address(cohort, "activity/")).context["rows"]) > 2


def test_a_refused_form_keeps_what_was_typed_and_says_why_at_the_field(cohort: Cohort) -> None:
    client = browser(cohort.administrator)
    answer = client.post(address(cohort, "invite/"), {"organisation": "no-such-house", "message": "Do come."})
    assert answer.status_code == 422
    assert answer.context["invitation_form"].errors == {
        "organisation": ["No organisation has this short name. It stands on the organisation's own page."]
    }
    page = answer.content.decode()
    assert "Do come." in page
    assert 'value="no-such-house"' in page
    again = client.post(address(cohort, "roles/"), {"email": cohort.scientist.email, "role": "data_scientist"})
    assert again.context["role_form"].errors == {"role": ["This person holds this role already."]}
    assert f'value="{cohort.scientist.email}"' in again.content.decode()
    assert not Event.objects.filter(verb="participation.invited", detail__organisation="No such house").exists()


def test_name_and_description_are_changed_by_who_may(cohort: Cohort) -> None:
    path, consortium = address(cohort, "settings/"), cohort.federation.consortium
    body = {"name": "Hearts of all", "description": "Better said.", "seen": consortium.description_digest}
    for user in (cohort.scientist, cohort.neighbour, cohort.platform_admin):
        assert browser(user).post(path, body).status_code == 403
    assert browser(cohort.outsider).post(path, body).status_code == 404
    assert "Saved." in browser(cohort.administrator).post(path, body, follow=True).content.decode()
    consortium.refresh_from_db()
    assert (consortium.name, consortium.description) == ("Hearts of all", "Better said.")
    assert Event.objects.filter(verb="consortium.edited").count() == 1
    assert browser(cohort.administrator).post(path, body | {"name": ""}).status_code == 422


def test_two_who_change_the_same_are_informed(cohort: Cohort) -> None:
    path, consortium = address(cohort, "settings/"), cohort.federation.consortium
    client = browser(cohort.administrator)
    seen = client.get(path).context["now_seen"]
    edit_consortium(consortium=consortium, name="Theirs", description="Came first.", by=TEST)
    answer = client.post(path, {"name": "Mine", "description": "Typed for an hour.", "seen": seen})
    page = answer.content.decode()
    assert answer.status_code == 422
    for one_report in ("Somebody else has changed this", "Came first.", "Typed for an hour.", 'value="Mine"'):
        assert one_report in page
    consortium.refresh_from_db()
    assert consortium.name == "Theirs"
    saved = client.post(path, {"name": "Mine", "description": "Both.", "seen": answer.context["now_seen"]})
    assert saved.status_code == 302
    consortium.refresh_from_db()
    assert consortium.description == "Both."


def test_an_empty_consortium_says_what_comes_next(cohort: Cohort) -> None:
    others = cohort.outsider.consortium_roles.get().consortium_id
    client = browser(cohort.outsider)
    for tab in TABS:
        assert client.get(f"/consortia/{others}/{tab}").status_code == 200, tab
    assert "First the members enrol silos" in client.get(f"/consortia/{others}/").content.decode()
    assert "No silo yet" in client.get(f"/consortia/{others}/silos/").content.decode()
