"""The tutorial's page: the reader's own ids, and nobody else's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from silos import datasets
from tests.support.cohort import Cohort, browser
from tests.support.every import every
from tests.support.federation import registration

pytestmark = pytest.mark.django_db


def test_tutorial_names_the_readers_own_consortium_and_datasets(
    cohort: Cohort, django_assert_max_num_queries: Any
) -> None:
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(10):
        page = client.get("/tutorial/").content.decode()
    assert str(cohort.federation.consortium.id) in page
    for played in every(cohort.federation.silos):
        assert played.dataset is not None
        assert str(played.dataset.id) in page


def test_tutorial_names_only_the_ticked_datasets(cohort: Cohort) -> None:
    """The lines name what is ticked and nothing else; what isn't the reader's is passed over."""
    first, second, third = (str(played.dataset.id) for played in cohort.federation.silos if played.dataset is not None)
    client = browser(cohort.scientist)
    page = client.get("/tutorial/").content.decode()
    assert page.count(" checked> ") == 3
    page = client.get(f"/tutorial/?datasets={third}&datasets={first}&datasets=nonsense").content.decode()
    lines = "".join(re.findall(r'data-copy="[^"]*"', page))
    assert (first in lines, second in lines, third in lines) == (True, False, True)
    assert page.count(" checked> ") == 2
    assert f'value="{second}"> ' in page
    played = cohort.federation.silos[0]
    steps = [step for step in cohort.dataset.declaration["steps"] if step["step"] != "standardise"]
    other = datasets.register(registration=registration(played, name="unscaled", steps=steps), by=played.silo)
    page = client.get(f"/tutorial/?datasets={other.id}").content.decode()
    lines = "".join(re.findall(r'data-copy="[^"]*"', page))
    assert str(other.id) in lines
    assert first not in lines
    stranger = browser(cohort.outsider).get(f"/tutorial/?datasets={first}").content.decode()
    assert first not in stranger


def test_who_may_launch_nothing_finds_placeholders(cohort: Cohort) -> None:
    for user in (cohort.neighbour, cohort.nobody, cohort.outsider):
        page = browser(user).get("/tutorial/").content.decode()
        assert "&lt;dataset id&gt;" in page
        assert str(cohort.federation.consortium.id) not in page
        assert str(cohort.dataset.id) not in page
    assert Client().get("/tutorial/").status_code == 302


def test_tutorial_is_linked_from_home_and_from_the_docs(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    assert 'href="/tutorial/"' in client.get("/api/v1/docs/").content.decode()
    assert 'href="/tutorial/"' in client.get("/").content.decode()
