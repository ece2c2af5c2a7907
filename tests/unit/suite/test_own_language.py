"""What one test leaves in its thread does not reach the next: both run in this order, in one process."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation


@pytest.mark.parametrize("left", ["de", "en"])
def test_a_test_begins_with_the_language_of_the_settings(left: str) -> None:
    assert translation.get_language() == "en"
    translation.activate(left)  # as a request of the test client does


@pytest.mark.parametrize("left", ["Europe/Zurich", "Asia/Tokyo"])
def test_a_test_begins_with_the_time_zone_of_the_settings(left: str) -> None:
    assert timezone.get_current_timezone_name() == "UTC"
    timezone.activate(ZoneInfo(left))  # as a request of somebody who has chosen one does


@pytest.fixture(autouse=True, scope="module")
def german_before_the_first() -> None:
    """What a module before this one may have left."""
    translation.activate("de")
    timezone.activate(ZoneInfo("Europe/Zurich"))
