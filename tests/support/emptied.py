"""The test database emptied after tests that really commit: the tables with rows in them, and nothing else.

Django's `flush` truncates every table and then sends the signals of a migration, by which content types, permissions
and grants are made again: the larger part of what a short test takes. Those stand here from the first migration on.
"""

from __future__ import annotations

from django.db import connection

KEPT = {"django_migrations", "django_content_type", "auth_permission"}
"""What migrating itself has filled."""


def empty_database() -> None:
    """Take every row out, but for what a migration put in."""
    tables = sorted(set(connection.introspection.table_names()) - KEPT)
    quoted = {table: connection.ops.quote_name(table) for table in tables}
    asked = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {name})" for table, name in quoted.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        if filled := [quoted[table] for (table,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
