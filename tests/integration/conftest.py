"""What the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.world import World


@pytest.fixture
def world(db: None) -> World:
    """A small world of people, fresh for each test."""
    from tests.support.world import make_world  # Django is set up only after this file is read

    return make_world()
