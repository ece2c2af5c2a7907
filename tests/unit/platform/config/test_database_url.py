"""`DATABASE_URL`: every option of libpq goes through; what can't be right is refused by name, without the password."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg import pq

from config.database_url import DEFAULTS, database_of
from realtime import database
from realtime.postgresql.base import DatabaseWrapper

NO_OPTIONS = set(DEFAULTS) | {"prepare_threshold", "pool"}


def parameters_of(url: str) -> dict[str, object]:
    """What libpq would be given."""
    whole = {"TIME_ZONE": None, "AUTOCOMMIT": True, **database_of(url, pool_max=3)}
    return DatabaseWrapper(whole, "default").get_connection_params()


def test_an_address_is_taken_apart_as_libpq_does(tmp_path: Path) -> None:
    root = tmp_path / "root.crt"
    root.write_text("")
    found = parameters_of(
        "postgresql://me%40x:p%2Fw@a.example:5433,b.example:5434/na%20me"
        f"?sslmode=verify-full&sslrootcert={root}&target_session_attrs=read-write&connect_timeout=3"
        "&options=-c%20statement_timeout%3D5s&application_name=web&load_balance_hosts=random&tcp_user_timeout=9"
    )
    expected = {
        "user": "me@x",
        "password": "p/w",
        "host": "a.example,b.example",
        "port": "5433,5434",
        "dbname": "na me",
        "sslmode": "verify-full",
        "sslrootcert": str(root),
        "target_session_attrs": "read-write",
        "connect_timeout": "3",
        "options": "-c statement_timeout=5s",
        "application_name": "web",
        "load_balance_hosts": "random",
        "tcp_user_timeout": "9",
        "keepalives_idle": DEFAULTS["keepalives_idle"],
    }
    assert {name: found.get(name) for name in expected} == expected


def test_a_plain_address_and_a_socket_mean_what_they_meant() -> None:
    plain = database_of("postgresql://me:secret@db:5432/consilience", pool_max=3)
    assert [plain[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        *("consilience", "me", "secret", "db", "5432"),
    ]
    assert set(plain["OPTIONS"]) == NO_OPTIONS
    assert plain["OPTIONS"]["pool"]["max_size"] == 3
    socket = database_of("postgresql://me:secret@/name?host=%2Frun%2Fpostgresql", pool_max=3)
    assert [socket[name] for name in ("NAME", "HOST", "PORT")] == ["name", "/run/postgresql", ""]


def test_connections_beside_django_s_get_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    known = connections["default"].settings_dict
    monkeypatch.setitem(known, "OPTIONS", {**known["OPTIONS"], "sslmode": "require", "target_session_attrs": "primary"})
    found = database.libpq_parameters()
    assert (found["sslmode"], found["target_session_attrs"]) == ("require", "primary")
    assert found["keepalives_idle"] == DEFAULTS["keepalives_idle"]
    assert set(found) <= {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


@pytest.mark.parametrize(
    ("url", "reported_value"),
    [
        ("postgresql://u:top-secret@h/db?sslmod=require", "sslmod"),
        ("postgresql://u:top-secret@h/db?pool=3&conn_max_age=1", "conn_max_age, pool"),
        ("postgresql://u:top-secret@h/db?sslmode=verify", "sslmode"),
        ("postgresql://u:top-secret@h/db?sslmode=require&sslmode=disable", "sslmode"),
        ("postgresql://u:top-secret@h/db?target_session_attrs=master", "target_session_attrs"),
        ("postgresql://u:top-secret@h/db?connect_timeout=5s", "connect_timeout"),
        ("postgresql://u:top-secret@h/db?sslrootcert=/nonexistent/root.crt", "/nonexistent/root.crt"),
        ("postgresql://u:top-secret@h/db?passfile=/nonexistent/pgpass", "/nonexistent/pgpass"),
        ("postgresql://u:top-secret@h/db?client_encoding=latin1", "client_encoding"),
        ("postgresql://u:top-secret@h:54x/db", "port"),
        ("postgresql://u:top-secret@h", "name"),
        ("postgresql://u:top%secret@h/db", "%XX"),
        ("postgresql://u:top-secret@[::1/db", "address"),
        ("mysql://u:top-secret@h/db", "postgresql://"),
        ("host=h password=top-secret", "postgresql://"),
    ],
)
def test_what_can_t_be_right_is_refused_by_name(url: str, reported_value: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        database_of(url, pool_max=3)
    assert reported_value in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_system_s_own_roots_are_no_file() -> None:
    assert parameters_of("postgresql://h/db?sslmode=verify-full&sslrootcert=system")["sslrootcert"] == "system"
