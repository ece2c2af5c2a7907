"""The tutorial's page: the reader's own ids, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.cohort import Cohort, browser

pytestmark = pytest.mark.django_db


def test_it_names_the_readers_own_consortium_and_datasets(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(10):
        page = client.get("/tutorial/").content.decode()
    assert str(cohort.federation.consortium.id) in page
    for played in cohort.federation.silos:
        assert played.dataset is not None
        assert str(played.dataset.id) in page


def test_who_may_launch_nothing_finds_placeholders(cohort: Cohort) -> None:
    for user in (cohort.neighbour, cohort.nobody, cohort.outsider):
        page = browser(user).get("/tutorial/").content.decode()
        assert "&lt;dataset id&gt;" in page
        assert str(cohort.federation.consortium.id) not in page
        assert str(cohort.dataset.id) not in page
    assert Client().get("/tutorial/").status_code == 302


def test_it_is_found_from_home_and_from_the_docs(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    assert 'href="/tutorial/"' in client.get("/api/v1/docs/").content.decode()
    assert 'href="/tutorial/"' in client.get("/").content.decode()
