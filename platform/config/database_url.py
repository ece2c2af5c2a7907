"""`DATABASE_URL`, with every option that libpq knows. What libpq would ignore or find out late is refused at the start.

libpq itself takes the address apart: several hosts, sockets and percent signs mean what they mean to `psql`. No error
repeats the address, which holds a password.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

KEYWORDS = frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
"""What this libpq knows."""
SCHEMES = ("postgresql", "postgres")

DEFAULTS: dict[str, object] = {
    "connect_timeout": 10,
    # a peer that is gone without a word is noticed within a minute; sockets of the same machine ignore these
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""What holds unless the address says otherwise."""

_OURS = {
    "client_encoding": "the platform speaks UTF-8",
    "replication": "the platform takes part in no replication",
}
_WORDS = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
    "load_balance_hosts": {"disable", "random"},
    "channel_binding": {"disable", "prefer", "require"},
    "gssencmode": {"disable", "prefer", "require"},
    "sslnegotiation": {"postgres", "direct"},
    "sslcertmode": {"disable", "allow", "require"},
}
_NUMBERS = set(DEFAULTS)
_FILES = ("sslrootcert", "sslcert", "sslcrl", "passfile")
"""libpq goes on without some of these when they are missing, and so without what they were to check."""
_NO_FILES = {"sslrootcert": {"system"}}


def database_of(url: str, *, pool_max: int) -> dict[str, Any]:
    """Django's settings of the database at this address.

    Raises ImproperlyConfigured, naming the option, for one that libpq doesn't know or whose value can't be right.
    """
    reported = _options_in(url)
    own = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    options = {name: value for name, value in reported.items() if name not in own.values()}
    if not reported.get("dbname") and "service" not in reported:
        raise ImproperlyConfigured("DATABASE_URL names no database: it ends in /name.")
    return {
        "ENGINE": "realtime.postgresql",
        **{setting: reported.get(name, "") for setting, name in own.items()},
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a pooled connection may be older than the server that it was made to
        "OPTIONS": {
            **DEFAULTS,
            **options,
            "prepare_threshold": 5,  # for `realtime.database.fetch`; the ORM's own statements are bound by the client
            "pool": {"min_size": 1, "max_size": pool_max, "timeout": 10},
        },
    }


def _options_in(url: str) -> dict[str, str]:
    try:
        parts = urlsplit(url)
        named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL is no address.") from None
    if parts.scheme not in SCHEMES:
        raise ImproperlyConfigured("DATABASE_URL begins with postgresql://.")
    # `ssl=true` is what JDBC says; libpq takes it for sslmode=require
    if unknown := sorted({name for name in named if name not in KEYWORDS | {"ssl"}}):
        raise ImproperlyConfigured(f"DATABASE_URL has options that libpq does not know: {', '.join(unknown)}.")
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ImproperlyConfigured(f"DATABASE_URL has options more than once: {', '.join(twice)}.")
    try:
        by_name = {name: str(value) for name, value in conninfo_to_dict(url).items() if value not in (None, "")}
    except psycopg.Error:  # its message may hold a part of the address
        raise ImproperlyConfigured("DATABASE_URL can't be read. Is there a sign in it to write as %XX?") from None
    for name, value in by_name.items():
        _check_option(name, value)
    return by_name


def _check_option(name: str, value: str) -> None:
    if name in _OURS:
        raise ImproperlyConfigured(f"DATABASE_URL must not say {name}: {_OURS[name]}.")
    if name in _WORDS and value not in _WORDS[name]:
        raise ImproperlyConfigured(f"DATABASE_URL: {name} is one of {', '.join(sorted(_WORDS[name]))}.")
    if name in _NUMBERS and not value.isdecimal():
        raise ImproperlyConfigured(f"DATABASE_URL: {name} is a whole number.")
    if name == "port" and not all(port.isdecimal() or not port for port in value.split(",")):
        raise ImproperlyConfigured("DATABASE_URL: a port is a number.")
    if name in _FILES and value not in _NO_FILES.get(name, ()) and not os.access(value, os.R_OK):
        raise ImproperlyConfigured(f"DATABASE_URL: {name} names a file that can't be read: {value}.")
