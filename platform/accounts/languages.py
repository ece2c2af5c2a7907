"""The language and the time zone in which somebody is spoken to: their choice, else the browser's, the settings'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils import timezone, translation

from accounts.models import User


def activate_language_of(user: User) -> None:
    """From here to the end of the request. Where nothing was chosen, the browser's language stays."""
    if user.language in dict(settings.LANGUAGES):
        translation.activate(user.language)
    if user.time_zone in time_zones():
        timezone.activate(ZoneInfo(user.time_zone))


@contextmanager
def speaking_to(user: User) -> Iterator[None]:
    """For what is written to somebody outside of a request."""
    zone = ZoneInfo(user.time_zone) if user.time_zone in time_zones() else None
    language = user.language if user.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zone):
        yield


@cache
def time_zones() -> tuple[str, ...]:
    """The names of the zones in which people live, as the time zone database has them."""
    areas = (
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    )
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in areas and "/" in name))
