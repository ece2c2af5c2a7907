"""The role of web and workers, on a real server: it works with the record, and can't undo it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from audit.grants import NARROWER
from demo.postgres import Postgres
from demo.services import PYTHONPATH, ROOT, Services

DATABASE = "granted"
EVENT = (
    "INSERT INTO audit_event (at, verb, actor_kind, actor_id, actor_name, subject_kind, subject_id, detail) "
    "VALUES (now(), 'test.done', 'system', 'test', 'test', 'test', '1', '{}')"
)
UNDOING = [
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event DISABLE TRIGGER audit_event_no_change",
    "ALTER TABLE audit_link DISABLE TRIGGER audit_link_no_change",
    "DROP TRIGGER audit_event_no_change ON audit_event",
    "DROP TRIGGER audit_event_unchained ON audit_event",
    "CREATE OR REPLACE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE sql AS ''",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_is_append_only()",
    "CREATE RULE mine AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "UPDATE audit_event SET actor_name = 'somebody else'",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "TRUNCATE audit_event, audit_link CASCADE",
    "UPDATE audit_link SET record = ''",
    "DELETE FROM audit_link",
    "TRUNCATE audit_link",
    "UPDATE audit_treenode SET hash = ''",
    "DELETE FROM audit_treenode",
    "DELETE FROM audit_silohead",
    "UPDATE audit_countersignature SET at = now()",
    "UPDATE audit_checkpoint SET position = 1",
    "DELETE FROM audit_checkpoint",
    "DELETE FROM audit_head",
    "TRUNCATE audit_unchained",
    "DROP TABLE audit_event",
    "ALTER TABLE audit_event OWNER TO CURRENT_USER",
    "ALTER TABLE audit_event ADD COLUMN more text",
    "CREATE TABLE audit_event_too (id bigint)",
    "SET ROLE consilience",
    "SELECT setval(pg_get_serial_sequence('audit_event', 'id'), 1)",
    "DELETE FROM django_migrations",
    "COPY audit_event TO PROGRAM 'cat'",
]


@pytest.fixture(scope="module")
def granted(services: Services) -> Iterator[Postgres]:
    """A database of the same server, migrated by its owner with the command that a start of the platform runs."""
    with services.postgres._connect("postgres") as connection:
        owner = sql.Identifier(services.postgres.role)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), owner))
    try:
        for _ in range(2):  # a second start changes nothing
            done = command(services, services.postgres.app_role)
            assert done.returncode == 0, done.stderr
        yield services.postgres
    finally:
        with services.postgres._connect("postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))


def command(services: Services, *words: str) -> subprocess.CompletedProcess[str]:
    """`manage.py migrate_and_grant`, as the owner."""
    given = services.environment("http://localhost") | {"DATABASE_URL": services.postgres.url(DATABASE)}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate_and_grant", *words],
        env={**os.environ, **given, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        check=False,
    )


def as_app(postgres: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    """A connection as web has it."""
    return psycopg.connect(postgres.app_url().replace(f"/{postgres.database}?", f"/{DATABASE}?"))


def test_what_happens_is_written_down(granted: Postgres) -> None:
    with as_app(granted) as connection:
        connection.execute(EVENT)
        connection.execute("SELECT 1 FROM audit_head FOR UPDATE")
        row = connection.execute("SELECT count(*) FROM audit_event JOIN audit_unchained ON event_id = id").fetchone()
    assert row is not None
    assert row[0]


@pytest.mark.parametrize("statement", UNDOING)
def test_what_was_written_down_stays(granted: Postgres, statement: str) -> None:
    with as_app(granted) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_every_table_has_what_it_needs_and_no_more(granted: Postgres) -> None:
    with as_app(granted) as connection:
        rows = connection.execute(
            "SELECT table_name, array_agg(privilege_type::text ORDER BY privilege_type) FROM "
            "information_schema.role_table_grants WHERE grantee = current_user AND table_schema = 'public' GROUP BY 1"
        ).fetchall()
        tables = connection.execute(
            "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    held = {str(table): kinds for table, kinds in rows}
    assert {owner for _, owner in tables} == {granted.role}
    assert set(held) == {table for table, _ in tables}
    assert set(NARROWER) <= set(held)
    assert {table for table in held if table.startswith("audit_")} <= set(NARROWER)
    usual = ["DELETE", "INSERT", "SELECT", "UPDATE"]
    assert held == {table: sorted(NARROWER.get(table, usual)) for table in held}


@pytest.mark.parametrize(
    ("role", "reported_value"),
    [("nobody_of_this_name", "There is no role"), ("consilience", "owns the tables"), ("postgres", "may do anything")],
)
def test_a_role_that_will_not_do_is_refused(
    granted: Postgres, services: Services, role: str, reported_value: str
) -> None:
    done = command(services, role)
    assert done.returncode == 1
    assert reported_value in done.stderr


def test_a_missing_role_is_made_where_that_may_be_done(granted: Postgres, services: Services, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    done = command(services, "another_app", "--password-file", str(secret))
    assert done.returncode == 1
    assert "may not make another_app" in done.stderr
    with services.postgres._connect("postgres") as connection:
        connection.execute("ALTER ROLE consilience CREATEROLE")
    try:
        for _ in range(2):
            done = command(services, "another_app", "--password-file", str(secret))
            assert done.returncode == 0, done.stderr
        host = str(services.postgres.socket_folder)
        with psycopg.connect(host=host, dbname=DATABASE, user="another_app", password="correct horse") as connection:
            connection.execute(EVENT)
    finally:
        with services.postgres._connect("postgres") as connection:
            connection.execute("ALTER ROLE consilience NOCREATEROLE")
        with services.postgres._connect(DATABASE) as connection:
            connection.execute("DROP OWNED BY another_app")
            connection.execute("DROP ROLE another_app")
