"""What the role under which web and workers run may do in the database: everything it needs, and no more.

Tables belong to another role, the one that migrates. So nobody who takes over web or a worker can alter a table,
disable the triggers that keep the record as it is, or empty it: the database refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection, transaction
from psycopg import sql

SCHEMA = "public"
ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
NARROWER: Mapping[str, tuple[str, ...]] = {
    "audit_event": ("SELECT", "INSERT"),
    "audit_link": ("SELECT", "INSERT"),
    "audit_checkpoint": ("SELECT", "INSERT"),
    "audit_countersignature": ("SELECT", "INSERT", "DELETE"),
    "audit_treenode": ("SELECT", "INSERT"),
    "audit_jobevents": ("SELECT", "INSERT", "UPDATE"),
    "audit_silohead": ("SELECT", "INSERT", "UPDATE"),
    "audit_logrestored": ("SELECT", "INSERT"),
    "audit_losthead": ("SELECT", "INSERT", "UPDATE"),
    "audit_head": ("SELECT", "INSERT", "UPDATE"),
    "audit_unchained": ("SELECT", "INSERT", "DELETE"),
    "audit_follower": ROWS,
    "django_migrations": ("SELECT",),
}
"""The tables of which fewer kinds of change are needed."""


class CannotGrant(Exception):
    """Why nothing was granted, and what to do."""


def grant(role: str, *, password: str | None = None) -> None:
    """Give a role what web and workers need, and take from it what it has beyond that. Run it after each migration.

    With a password a role that is missing is made, and one that is there gets this password. Raises CannotGrant.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if role == connection.settings_dict["USER"]:
            raise CannotGrant(f"{role} owns the tables: name the other role, under which web and workers run.")
        _check_or_make(cursor, role, password)
        name = sql.Identifier(role)
        for statement in (
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
            "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}",
            "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}",
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(schema=sql.Identifier(SCHEMA), role=name))
        for table in connection.introspection.table_names(cursor):
            kinds = sql.SQL(", ").join(map(sql.SQL, NARROWER.get(table, ROWS)))
            cursor.execute(sql.SQL("GRANT {} ON {} TO {}").format(kinds, sql.Identifier(SCHEMA, table), name))


def _check_or_make(cursor: Any, role: str, password: str | None) -> None:
    cursor.execute("SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = %s", [role])
    found = cursor.fetchone()
    if found is not None and any(found):
        raise CannotGrant(f"{role} may do anything in this database already. Name an ordinary role.")
    if found is None and password is None:
        raise CannotGrant(
            f"There is no role {role}. A superuser makes it with CREATE ROLE {role} LOGIN PASSWORD '…', or give its "
            "password here."
        )
    if password is not None:
        kept = connection.connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        statement = "CREATE ROLE {} LOGIN PASSWORD {}" if found is None else "ALTER ROLE {} LOGIN PASSWORD {}"
        try:
            with transaction.atomic():
                cursor.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(kept.decode())))
        except Exception as error:
            if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                raise CannotGrant(f"This role may not make {role} or change its password. A superuser may.") from error
            raise
    cursor.execute(
        "SELECT pg_has_role(%s, relowner, 'MEMBER') FROM pg_class WHERE oid = 'audit_event'::regclass", [role]
    )
    if cursor.fetchone() == (True,):
        raise CannotGrant(f"{role} owns the record's tables, or is a member of the role that does. Name another.")
