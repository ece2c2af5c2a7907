"""What silos say their connectors can do: bounded when it comes in, asked when a job is launched (ADR 54)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from federation.agreements.decisions import PLAN
from federation.agreements.rules import Violation
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.requests import is_understood
from silos.models import Silo
from silos.transitions import SiloState

CLAUSE = "connector"
"""What refuses instead of a clause of the agreement."""
NAMES_MAX = 20
VALUES_MAX = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
TITLES: Mapping[str, Any] = {
    "protocols": _("Protocol"),
    "kinds": _("Kinds of order"),
    "protection": _("Protection"),
    "families": _("Model families"),
    "targets": _("Targets"),
    "payloads": _("Kinds of payload"),
}


@dataclass(frozen=True)
class Needs:
    """What a job asks of a connector. What is not known yet is left out."""

    kinds: tuple[str, ...]
    """The kinds of order that it is given."""
    payloads: tuple[str, ...] = ()
    """The kinds of payload that it answers with."""
    protection: str | None = None
    """How it protects updates, where it is to send some."""
    family: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class CapabilityRow:
    """What a connector can do of one kind of thing, for a page."""

    title: str
    values: tuple[str, ...]


def bounded(reported: object) -> dict[str, list[str]]:
    """What is kept of what a silo reports: lists of short names under short names, so many at most.

    Names that this platform does not know are kept too: a later connector reports them to a later platform.
    """
    if not isinstance(reported, Mapping):
        return {}
    names = [name for name in reported if isinstance(name, str) and _NAME.fullmatch(name)]
    return {name: _values(reported[name]) for name in names[:NAMES_MAX] if isinstance(reported[name], list)}


def _values(reported: list[Any]) -> list[str]:
    fit = (one for one in reported[: 10 * VALUES_MAX] if isinstance(one, str) and _VALUE.fullmatch(one))
    return list(dict.fromkeys(fit))[:VALUES_MAX]


def needs_upgrade(silo: Silo) -> bool:
    """Whether its connector speaks no protocol that this platform speaks: it gets no order until it is upgraded."""
    is_enrolled = silo.state in {SiloState.PRESENTED, SiloState.ACTIVE}
    return is_enrolled and not _is_understood(silo)


def lacks(silo: Silo, needs: Needs) -> Iterator[Violation]:
    """Everything that the job needs and the silo's connector has not reported that it can do.

    Where it speaks an older protocol, that alone is stated: what it reports of the rest is of another time.
    """
    if not _is_understood(silo):
        yield Violation("silo.protocol", CLAUSE, PROTOCOL_VERSION)
        return
    for kind in needs.kinds:
        if kind not in _reported(silo, "kinds"):
            yield Violation("silo.lacks_kind", CLAUSE, kind)
    if needs.protection is not None and needs.protection not in _reported(silo, "protection"):
        yield Violation("silo.lacks_protection", CLAUSE, needs.protection)
    else:
        for payload in needs.payloads:
            if payload not in _reported(silo, "payloads"):
                yield Violation("silo.lacks_payload", CLAUSE, payload)
    if needs.family == PLAN and PLAN not in _reported(silo, "families"):
        yield Violation("silo.lacks_runner", CLAUSE)
    elif needs.family is not None and needs.family not in _reported(silo, "families"):
        yield Violation("silo.lacks_family", CLAUSE, needs.family)
    if needs.target is not None and needs.target not in _reported(silo, "targets"):
        yield Violation("silo.lacks_target", CLAUSE, needs.target)


def capability_rows(silo: Silo) -> list[CapabilityRow]:
    """What the connector can do, in the order of the table, and then what only it knows of."""
    reported = silo.capabilities if isinstance(silo.capabilities, dict) else {}
    known = [CapabilityRow(str(title), _reported(silo, name)) for name, title in TITLES.items()]
    return known + [CapabilityRow(name, _reported(silo, name)) for name in reported if name not in TITLES]


def _is_understood(silo: Silo) -> bool:
    """Whether any of the versions that its connector speaks is heard here: also later ones of this major are."""
    return any(map(is_understood, _reported(silo, "protocols")))


def _reported(silo: Silo, name: str) -> tuple[str, ...]:
    reported = silo.capabilities.get(name) if isinstance(silo.capabilities, dict) else None
    return tuple(str(one) for one in reported) if isinstance(reported, list) else ()
