"""Pages: what happened; the same as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from audit.reasons import detail_for_machines
from audit.serializers import EventOut
from consortia.access import access_consortium
from consortia.selectors import consortia_visible_to
from dashboards.activity.forms import ActivityFilter
from dashboards.activity.selectors import VERBS, narrowed, rows_of
from dashboards.exports import attachment, cell, plain
from rest.pages import query_without_page

PAGE_SIZE = 50
EXPORTED_MAX = 10_000
COLUMNS = EventOut.Meta.fields


@require_safe
@never_cache
@login_required
def activity(request: HttpRequest) -> HttpResponse:
    """What happened, newest first. Older ones follow by the id after which they come: turning pages costs the same
    however many there are."""
    user, form = signed_in(request), _form(request)
    found = narrowed(user, form.cleaned_data)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        found = found.filter(id__lt=int(before))
    events = list(found[: PAGE_SIZE + 1])
    context = {
        "form": form,
        "verbs": VERBS,
        "rows": rows_of(user, events[:PAGE_SIZE]),
        "older": events[PAGE_SIZE - 1].id if len(events) > PAGE_SIZE else None,
        "is_first": not before,
        "query": query_without_page(request, "before"),
        "exported_max": EXPORTED_MAX,
    }
    return render(request, "dashboards/activity/activity.html", context)


@require_safe
@never_cache
@login_required
def as_csv(request: HttpRequest) -> HttpResponse:
    """The list as it was narrowed, the newest `EXPORTED_MAX` at most."""
    rows, _ = _exported(request)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        line = row | {"detail": json.dumps(row["detail"], ensure_ascii=False)}
        writer.writerow([cell(line[column]) for column in COLUMNS])
    return attachment(text.getvalue(), "text/csv; charset=utf-8", _name(), "csv")


@require_safe
@never_cache
@login_required
def as_json(request: HttpRequest) -> HttpResponse:
    """The same as JSON; `complete` says whether that is all."""
    rows, complete = _exported(request)
    by_name = {"events": rows, "complete": complete, "read_at": timezone.now()}
    return attachment(json.dumps(by_name, default=plain), "application/json", _name(), "json")


def _form(request: HttpRequest) -> ActivityFilter:
    user = signed_in(request)
    if wanted := request.GET.get("consortium"):
        access_consortium(user, wanted)
    return ActivityFilter(request.GET, consortia=consortia_visible_to(user))


def _exported(request: HttpRequest) -> tuple[list[dict[str, Any]], bool]:
    """The rows as REST shows them; its serializer would take most of the time for as many."""
    found = narrowed(signed_in(request), _form(request).cleaned_data).values(*COLUMNS)
    rows = [_exported_row(row) for row in found[: EXPORTED_MAX + 1]]
    return rows[:EXPORTED_MAX], len(rows) <= EXPORTED_MAX


def _exported_row(row: dict[str, Any]) -> dict[str, Any]:
    at, detail = row["at"].isoformat().replace("+00:00", "Z"), detail_for_machines(row["detail"])
    return {**row, "at": at, "detail": detail}


def _name() -> str:
    return f"activity-{timezone.now():%Y%m%d-%H%M%S}"
