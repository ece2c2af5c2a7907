"""A silo that can do something else than before is an event of the audit log: an hour apart at the least.

What is reported is the relay's claim, in a request that the relay's own key has signed. A relay that reports
something else with each heartbeat fills no log: while an event is younger than an hour none is added. A change that
lasts is not lost by it, for each heartbeat is held against what the last event said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from audit.actions import record
from silos.capabilities import TITLES
from silos.models import Silo

APART = timedelta(hours=1)
VALUES_RECORDED_MAX = 20

Capabilities = Mapping[str, list[str]]


def note_change(*, silo: Silo, can: Capabilities) -> bool:
    """Write an event where the silo can do something else than the last one said; whether there was one to write."""
    if not _change(_noted(silo), can):
        return False
    with transaction.atomic():
        silo = Silo.objects.select_for_update().get(id=silo.id)
        now, change = timezone.now(), _change(_noted(silo), can)
        is_early = silo.capabilities_noted_at is not None and silo.capabilities_noted_at > now - APART
        if not change or is_early:
            return False
        silo.capabilities_noted, silo.capabilities_noted_at, silo.capabilities_change = dict(can), now, change
        silo.save(update_fields=["capabilities_noted", "capabilities_noted_at", "capabilities_change"])
        record(
            by=silo,
            verb="silo.capabilities_changed",
            subject=silo,
            organisation_id=silo.organisation_id,
            detail=change,
        )
    return True


def _noted(silo: Silo) -> Capabilities:
    noted = silo.capabilities if silo.capabilities_noted is None else silo.capabilities_noted
    return noted if isinstance(noted, dict) else {}


def _change(old: Capabilities, new: Capabilities) -> dict[str, object]:
    """For each name that reports something else what was reported of it, and what is now: so many values at most."""
    names = sorted(name for name in old.keys() | new.keys() if set(old.get(name, ())) != set(new.get(name, ())))
    if not names:
        return {}
    return {
        "old": {name: old.get(name, [])[:VALUES_RECORDED_MAX] for name in names},
        "new": {name: new.get(name, [])[:VALUES_RECORDED_MAX] for name in names},
    }


@dataclass(frozen=True)
class ChangeRow:
    """What a connector could do of one kind of thing before the last event, and can do since, for a page."""

    title: str
    before: tuple[str, ...]
    since: tuple[str, ...]


def changed_rows(silo: Silo) -> Iterator[ChangeRow]:
    """What the last event reported."""
    change = silo.capabilities_change if isinstance(silo.capabilities_change, dict) else {}
    old, new = change.get("old", {}), change.get("new", {})
    for name in sorted(old.keys() | new.keys()):
        yield ChangeRow(str(TITLES.get(name, name)), tuple(old.get(name, ())), tuple(new.get(name, ())))
