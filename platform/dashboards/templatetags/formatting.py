"""How times, ids, sizes and the way around are written on pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.template import Context
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import User
from audit.event_labels import event_label_of
from audit.models import Event
from audit.reasons import detail_with_reason, reason_of
from dashboards.relative_time import in_relation
from rest.errors import Problem
from rest.pages import in_words
from silos.models import Silo
from training.reading import absences
from training.reading.absences import Absence
from training.waiting import CloseReason

register = template.Library()
SHORT_ID = 8


@register.inclusion_tag("_components/nav/link.html", takes_context=True)
def nav_link(context: Context, name: str, label: str, icon: str, count: int = 0) -> dict[str, Any]:
    """A link of the way around, marked where the reader is in that part of the organisation."""
    url = reverse(name)
    path = context["request"].path if "request" in context else ""
    exact = path == url
    return {
        "url": url,
        "label": label,
        "icon": icon,
        "count": count,
        "exact": exact,
        "current": exact or (url != "/" and path.startswith(url)),
    }


@register.simple_tag
def relative_time(moment: datetime | None, empty: str = "–") -> str | SafeString:
    """A moment as people say it, the exact one on hover; a script keeps it fresh."""
    if moment is None:
        return empty
    age_s = (timezone.now() - moment).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        exact(moment),
        in_relation(age_s),
    )


_TONES = {
    "good": "active completed closed applied online confirmed in_force",
    "info live": "running open collecting aggregating",
    "info": "opening exchanging submitted proposed signing",
    "warn": "presented paused silent late expired created queued invited suspended",
    "bad": "revoked failed rejected refused abandoned terminated",
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states.split()}


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """A state in a word. Pages have hundreds, of a dozen kinds: each kind is written once."""
    return _badge(str(state), str(label or state))


@lru_cache(maxsize=500)
def _badge(state: str, label: str) -> SafeString:
    tone = _TONE_OF.get(state)
    return format_html('<span class="badge{}">{}</span>', f" {tone}" if tone else "", label)


@register.filter
def exact(moment: datetime | None) -> str:
    """A moment to the second, with the name of its zone."""
    return _written(moment, "DATETIME_FORMAT")


@register.filter
def brief(moment: datetime | None) -> str:
    """The same, for a column of them."""
    return _written(moment, "SHORT_DATETIME_FORMAT")


def _written(moment: datetime | None, form: str) -> str:
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    return f"{date_format(local, form)} {local.tzname()}"


@register.filter
def day(moment: datetime) -> str:
    """The day of a moment, where the reader is."""
    return date_format(timezone.localtime(moment), "DATE_FORMAT")


@register.filter
def problem_text(problem: Problem) -> str:
    """What a problem reports, in the reader's language where its words are fixed."""
    return in_words(problem.message)


@register.simple_tag
def absences_at(silo: Silo, user: User) -> tuple[Absence, ...]:
    """What a silo missed lately, as far as this person may see: its page belongs to an app below the one of orders."""
    return absences.absences_at(silo, user)


@register.filter
def event_label(event: Event) -> str:
    """What was done, in words."""
    return event_label_of(event.verb)


@register.filter
def details(event: Event) -> list[tuple[str, object]]:
    """What the record holds besides; reasons, and what rounds are shown by, in the reader's language."""
    reported = detail_with_reason(event.shown_detail)
    if "code" in reported and "reason" in reported:
        reported["reason"] = reason_of(event.shown_detail)
        reported.pop("params", None)  # they stand in the sentence
    return [_detail(name, value) for name, value in reported.items()]


def _detail(name: str, value: object) -> tuple[str, object]:
    match name:
        case "round":
            return _("round"), value
        case "attempt":
            return _("attempt"), value
        case "close_reason" if value in CloseReason.values:
            return _("closed because"), CloseReason(str(value)).label
    return name, value


@register.inclusion_tag("_components/copyable/copyable.html")
def short_id(value: object, label: str = "", length: int = SHORT_ID) -> dict[str, str]:
    """An id or a digest by its first digits, the whole to copy and on hover."""
    whole = str(value)
    digits = whole.partition(":")[2] or whole
    return {"value": whole, "shown": digits[:length], "label": label or _("the id")}


@register.filter
def seconds(value: float | None) -> str:
    """A duration for a reader: 0.42 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value is None:
        return "–"
    if value < 10:
        return f"{number_format(value, 2)} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{number_format(minutes // 60)} h {minutes % 60} min"


@register.filter
def percent(value: float | None) -> str:
    """A part of all, to a tenth of a percent where it needs one."""
    if value is None:
        return ""
    tenths = round(value * 1000)
    return f"{number_format(tenths / 10, 1 if tenths % 10 else 0)}\N{NO-BREAK SPACE}%"


@register.filter
def size(value: int | None) -> str:
    """Bytes for a reader."""
    return "–" if value is None else str(filesizeformat(value))


@register.inclusion_tag("_components/spark/spark.html")
def spark(values: Sequence[float | None], label: str) -> dict[str, str]:
    """A small line without axes; what it reports is stated in `label`."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return {"points": "", "label": label}
    low, high = min(value for _, value in known), max(value for _, value in known)
    span, last = (high - low) or 1.0, known[-1][0] or 1
    points = " ".join(f"{100 * place / last:.1f},{22 - 20 * (value - low) / span:.1f}" for place, value in known)
    return {"points": points, "label": label}
