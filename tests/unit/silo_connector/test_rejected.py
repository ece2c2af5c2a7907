"""A silo's log reports, once, which of its updates did not count."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from silo_connector.relay.heartbeat import report_rejected

ORDER = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
REJECTED = {"order_id": ORDER, "code": "update.not_finite", "message": "The update holds a NaN."}


def test_a_rejected_update_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reported = report_rejected([REJECTED], set())
        assert reported == {ORDER}
        assert report_rejected([REJECTED], reported) == {ORDER}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("entries", [None, "x", [None], [{"order_id": "../x"}], [{"order_id": 7}], [{}]])
def test_nonsense_from_the_platform_is_passed_over(entries: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert report_rejected(entries, set()) == set()
    assert not caplog.records
