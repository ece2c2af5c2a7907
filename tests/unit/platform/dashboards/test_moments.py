"""How long ago, in words."""

from __future__ import annotations

import pytest
from django.utils import translation

from dashboards.relative_time import in_relation

DAY = 86_400


@pytest.mark.parametrize(
    ("age_s", "english", "german"),
    [
        (0, "just now", "gerade eben"),
        (-59, "just now", "gerade eben"),
        (60, "1 minute ago", "vor 1 Minute"),
        (7199, "1 hour ago", "vor 1 Stunde"),
        (3 * DAY, "3 days ago", "vor 3 Tagen"),
        (8 * DAY, "1 week ago", "vor 1 Woche"),
        (59 * DAY, "1 month ago", "vor 1 Monat"),
        (800 * DAY, "2 years ago", "vor 2 Jahren"),
        (-90, "in 1 minute", "in 1 Minute"),
        (-29 * DAY, "in 4 weeks", "in 4 Wochen"),
    ],
)
def test_the_largest_whole_unit_is_said(age_s: float, english: str, german: str) -> None:
    for language, one_report in (("en", english), ("de", german)):
        with translation.override(language):
            assert in_relation(age_s).replace("\xa0", " ") == one_report
