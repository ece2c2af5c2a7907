"""What the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cohort import Cohort
    from tests.support.world import World


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Passwords are hashed thousands of times in earnest; tests make many people."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(db: None) -> World:
    """A small world of people, fresh for each test."""
    from tests.support.world import make_world  # Django is set up only after this file is read

    return make_world()


@pytest.fixture
def cohort(db: None, blob_root: Path) -> Cohort:
    """A consortium with three silos that are played by the test, and all its kinds of people."""
    from tests.support.cohort import make_cohort

    return make_cohort()
