"""Every endpoint of accounts, consortia and the record, asked the same questions.

Does it work for who may; is a stranger asked to sign in (401), somebody without the role refused (403), somebody of
another consortium answered that there is nothing (404); is a wrong method refused (405); is what changed recorded?
"""

from __future__ import annotations

import pytest

from tests.integration.rest.endpoints import Endpoint
from tests.integration.rest.offer_endpoints import EVERY_ENDPOINT
from tests.support import doors
from tests.support.world import World


def answers_of(endpoint: Endpoint, world: World) -> doors.Ask:
    """The endpoint's answers; its address is made once."""
    path = endpoint.path(world)
    return lambda client, method: getattr(client, method)(path, endpoint.body(world) or None, format="json")


@pytest.mark.parametrize(("endpoint", "who"), doors.with_who_may(EVERY_ENDPOINT))
def test_works_for_who_may_and_is_written_down(world: World, endpoint: Endpoint, who: str) -> None:
    doors.check_it_works(endpoint, answers_of(endpoint, world), getattr(world, who), writes_more=True)


@pytest.mark.parametrize("endpoint", EVERY_ENDPOINT, ids=str)
def test_is_closed_to_everybody_else(world: World, endpoint: Endpoint) -> None:
    doors.check_it_is_closed(endpoint, answers_of(endpoint, world), lambda who: getattr(world, who))


def test_no_endpoint_is_left_out() -> None:
    doors.check_none_is_forgotten(EVERY_ENDPOINT, "accounts", "consortia")
