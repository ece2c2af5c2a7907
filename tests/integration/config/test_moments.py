"""Moments as the database's rows give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 31, 12, 0, 0, 500000, UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(99, 12, 31, 23, 59, 59, 1, UTC),
    ],
)
def test_a_moment_comes_back_as_it_went(moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [moment])
        ((found,),) = cursor.fetchall()
    assert (found, found.utcoffset()) == (moment, timedelta(0))


def test_a_moment_in_another_zone_is_reported_in_utc() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Europe/Zurich'")
        cursor.execute("SELECT timestamptz '2026-07-01 12:00:00+00'")
        ((found,),) = cursor.fetchall()
    assert found == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


def test_what_is_no_date_is_refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamptz 'infinity'")
        with pytest.raises(DataError):
            cursor.fetchall()
