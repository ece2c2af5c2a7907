"""``policy.toml``: what it says is read whole, and what is wrong is shown by setting."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from federation.agreements.policy import Policy, parse_policy
from federation.errors import Invalid

WHOLE = """
disclose_rule = true
time_zone = "Europe/Zurich"
quiet_hours = [{ begin = 22:00:00, end = 06:00:00 }]
epsilon_max = 3.0
families = ["logistic"]
parameters_max = 10000
custom_code = "approved"
rounds_per_day_max = 100
minimum_participants = 3
minimum_rows = 50
organisation_share_max = 0.4
gpu_share_max = 0.5
memory_share_max = 0.5
"""


def test_an_empty_policy_limits_nothing_but_custom_code() -> None:
    assert parse_policy("") == Policy()
    assert Policy().custom_code == "never"


def test_a_whole_policy_is_read() -> None:
    policy = parse_policy(WHOLE)
    assert policy.minimum_participants == 3
    assert policy.is_quiet(datetime(2026, 1, 1, 21, tzinfo=UTC))  # ten in the evening in Zurich
    assert policy.is_quiet(datetime(2026, 1, 1, 4, 59, tzinfo=UTC))
    assert not policy.is_quiet(datetime(2026, 1, 1, 5, tzinfo=UTC))
    assert not policy.is_quiet(datetime(2026, 1, 1, 20, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("nonsense", None),
        ("epsilon_max = -1", "epsilon_max"),
        ("time_zone = 'Europe/Atlantis'", "time_zone"),
        ("max_epsilon = 1", "max_epsilon"),
        ("memory_share_max = 2", "memory_share_max"),
        ("organisation_share_max = 0", "organisation_share_max"),
        ("quiet_hours = [{ begin = 22:00:00 }]", "quiet_hours.0.end"),
        ("custom_code = 'always'", "custom_code"),
    ],
)
def test_what_is_wrong_is_reported_by_setting(text: str, field: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        parse_policy(text)
    assert caught.value.code == "policy.invalid"
    assert caught.value.field == field
