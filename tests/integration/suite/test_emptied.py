"""After a test that really commits nothing is left but what a migration put in, and that is there still."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from audit.models import Event
from tests.support.emptied import KEPT, empty_database
from tests.support.world import make_world


def filled() -> set[str]:
    """The tables with rows in them."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {connection.ops.quote_name(table)})")
            if cursor.fetchone() == (True,):
                found.add(table)
    return found


@pytest.mark.django_db(transaction=True)
def test_every_row_goes_but_for_those_of_the_migrations() -> None:
    before = ContentType.objects.count(), Permission.objects.count()
    assert filled() == KEPT
    make_world()
    assert Event.objects.exists()
    assert {"accounts_user", "consortia_consortium", "audit_unchained"} < filled()
    empty_database()
    assert filled() == KEPT
    assert (ContentType.objects.count(), Permission.objects.count()) == before


@pytest.mark.django_db(transaction=True)
def test_the_test_before_has_left_nothing() -> None:
    make_world()  # as it did: a name or an address that is taken would be refused
