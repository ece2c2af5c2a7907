"""How long ago something was, or how soon it will be, as people say it."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

_UNITS = (
    (31_536_000, ngettext_lazy("%(count)s year ago", "%(count)s years ago", "count")),
    (2_592_000, ngettext_lazy("%(count)s month ago", "%(count)s months ago", "count")),
    (604_800, ngettext_lazy("%(count)s week ago", "%(count)s weeks ago", "count")),
    (86_400, ngettext_lazy("%(count)s day ago", "%(count)s days ago", "count")),
    (3600, ngettext_lazy("%(count)s hour ago", "%(count)s hours ago", "count")),
    (60, ngettext_lazy("%(count)s minute ago", "%(count)s minutes ago", "count")),
)
_UNITS_AHEAD = (
    (31_536_000, ngettext_lazy("in %(count)s year", "in %(count)s years", "count")),
    (2_592_000, ngettext_lazy("in %(count)s month", "in %(count)s months", "count")),
    (604_800, ngettext_lazy("in %(count)s week", "in %(count)s weeks", "count")),
    (86_400, ngettext_lazy("in %(count)s day", "in %(count)s days", "count")),
    (3600, ngettext_lazy("in %(count)s hour", "in %(count)s hours", "count")),
    (60, ngettext_lazy("in %(count)s minute", "in %(count)s minutes", "count")),
)


def in_relation(age_s: float) -> str:
    """In the largest whole unit, as `page.js` says it again while the page is open."""
    for length_s, words in _UNITS if age_s >= 0 else _UNITS_AHEAD:
        if (count := int(abs(age_s) // length_s)) >= 1:
            return str(words % {"count": count}).replace(f"{count} ", f"{count}\xa0")
    return _("just now")
