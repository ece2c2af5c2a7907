"""Searching data by purpose: what may serve it comes first, and what speaks against the others is named."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from federation.protocol.documents import CoveredDataset, UseConditions
from tests.support.cohort import Cohort, browser, make_cohort

pytestmark = pytest.mark.django_db
PATH = "/datasets/for-a-purpose/"


def agreed(**changes: Any) -> Cohort:
    """Three silos; the first one's data may not be used commercially."""
    cohort = make_cohort(agreed=False)
    datasets = [
        CoveredDataset(
            signatory_key=played.signatory.public.encoded,
            dataset=played.dataset.name,
            use=UseConditions(permission="NRES", modifiers=("NCU",)) if position == 0 else None,
        )
        for position, played in enumerate(cohort.federation.silos)
        if played.dataset
    ]
    cohort.federation.agree(**{"datasets": datasets, "purposes": UseConditions(permission="HMB"), **changes})
    return cohort


def page(client: Client, cohort: Cohort, **asked: str) -> str:
    """The page, for a purpose."""
    answer = client.get(PATH, {"consortium": str(cohort.federation.consortium.id), **asked})
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_data_set_says_yes_or_the_code_that_says_no() -> None:
    cohort = agreed()
    client = browser(cohort.scientist)
    reported = page(client, cohort, category="health")
    assert reported.count("badge good") == 3
    reported = page(client, cohort, category="health", commercial="on")
    assert reported.count("badge good") == 2
    assert "<code>NCU</code>" in reported
    assert reported.index(cohort.federation.silos[1].silo.name) < reported.index(cohort.federation.silos[0].silo.name)
    reported = page(client, cohort, category="population_origins")
    assert (reported.count("badge good"), reported.count("<code>HMB</code>")) == (0, 3)


def test_what_the_agreement_does_not_cover_serves_nothing() -> None:
    cohort = agreed()
    uncovered = cohort.federation.silos[2].dataset
    assert uncovered is not None
    uncovered.name = "renamed"
    uncovered.save(update_fields=["name"])
    reported = page(browser(cohort.scientist), cohort, category="health")
    assert (reported.count("badge good"), reported.count("<code>agreement.dataset</code>")) == (2, 1)


def test_data_search_says_where_there_is_no_agreement() -> None:
    cohort = make_cohort(agreed=False)
    assert "No agreement in force" in page(browser(cohort.scientist), cohort, category="health")


def test_a_wrong_code_is_reported_at_its_field_and_what_was_typed_stays() -> None:
    cohort = agreed()
    reported = page(browser(cohort.scientist), cohort, category="disease", diseases="heart failure")
    assert 'value="heart failure"' in reported
    assert 'aria-invalid="true"' in reported
    assert "“heart failure” is not written as it has to be" in reported
    assert "pattern ^" not in reported
    assert "May serve it" not in reported


def test_the_only_consortium_need_not_be_chosen() -> None:
    cohort = agreed()
    chosen = browser(cohort.scientist).get(PATH).context["form"]["consortium"]
    assert [option[1] for option in chosen.field.choices] == [cohort.federation.consortium.name]


def test_a_consortium_of_others_is_not_offered(django_assert_max_num_queries: Any) -> None:
    cohort = agreed()
    client = browser(cohort.outsider)
    reported = page(client, cohort, category="health")
    assert cohort.federation.silos[0].silo.name not in reported
    assert Client().get(PATH).status_code == 302
    assert browser(cohort.scientist).post(PATH).status_code == 405
    with django_assert_max_num_queries(29):
        page(browser(cohort.scientist), cohort, category="health")
