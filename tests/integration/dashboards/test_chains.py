"""The page of the record's chains: for who may read the record, and it says when a chain does not hold."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from audit.chaining import chain_new
from audit.models import Link
from federation.protocol.chains import PLATFORM, chain_of
from tests.integration.audit.test_chains import forge
from tests.support.cohort import Cohort, browser, make_cohort

pytestmark = pytest.mark.django_db
PATH = "/activity/chains/"


@pytest.fixture
def cohort() -> Cohort:
    """Everybody, and the record chained."""
    made = make_cohort()
    chain_new()
    return made


def page(client: Client, **posted: str) -> str:
    """The page, or what pressing the button makes of it."""
    answer = client.post(PATH, posted) if posted else client.get(PATH)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_chain_is_walked_when_somebody_asks(cohort: Cohort) -> None:
    mine = chain_of(cohort.federation.consortium.id)
    client = browser(cohort.administrator)
    assert cohort.federation.consortium.name in page(client)
    assert "the chain holds" in page(client, chain=mine)
    victim = Link.objects.filter(chain=mine, position=2).get()
    forge("UPDATE audit_event SET actor_name = 'Somebody else' WHERE id = %s", victim.event_id)
    reported = page(client, chain=mine)
    assert "The chain does not verify" in reported
    assert "chain.event_changed" in reported


def test_nobody_sees_a_chain_whose_audit_log_they_may_not_read(cohort: Cohort) -> None:
    mine = chain_of(cohort.federation.consortium.id)
    for user in (cohort.scientist, cohort.outsider, cohort.nobody, cohort.it):
        client = browser(user)
        assert f'value="{mine}"' not in page(client)
        assert client.post(PATH, {"chain": mine}).status_code == 404
        assert client.post(PATH, {"chain": PLATFORM}).status_code == 404
    assert f'value="{PLATFORM}"' in page(browser(cohort.platform_admin))
    assert Client().get(PATH).status_code == 302


def test_other_methods_and_names_are_refused(cohort: Cohort) -> None:
    client = browser(cohort.administrator)
    assert client.put(PATH).status_code == 405
    assert client.post(PATH, {"chain": "nonsense"}).status_code == 404
    assert client.post(PATH).status_code == 404
    assert connection.vendor == "postgresql"
