"""Pages that span apps: the one where a person comes in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from consortia.selectors import consortia_visible_to
from dashboards import charts
from dashboards.next_steps import next_steps_of
from dashboards.open_agreements import under_way_in, with_agreements_under_way
from dashboards.selectors import jobs_for, with_counts
from dashboards.todo import incidents_for, waiting_for


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """One's consortia and jobs, what waits for oneself or goes around, and what went wrong."""
    user = signed_in(request)
    seen = with_agreements_under_way(with_counts(consortia_visible_to(user)), user)
    consortia, jobs = list(seen), jobs_for(user)
    context = {
        "consortia": consortia,
        "may_found": organisations_where(user, Permission.CONSORTIUM_FOUND).exists(),
        "waiting": waiting_for(user),
        "under_way": under_way_in(consortia),
        "incidents": incidents_for(user),
        "jobs": jobs,
        "next_steps": () if consortia and jobs else next_steps_of(user),
    }
    return render(request, "dashboards/home.html", context)


@require_safe
@login_required
def gallery(request: HttpRequest) -> HttpResponse:
    """Every part that pages are made of, in each of its states: for those who build pages."""
    rounds = list(range(1, 16))
    names = ("Cleveland Clinic Foundation", "Hungarian Institute of Cardiology", "V.A. Medical Center, Long Beach")
    shape = [1 - 0.9 ** (number + 2) for number in rounds]
    lines = charts.line_chart(
        key="gallery-lines",
        title="Accuracy",
        caption="Accuracy of the global model on each silo's own test rows, by round",
        x=rounds,
        x_title="Round",
        y_title="Accuracy",
        series=[
            charts.Series("All silos", [0.5 + 0.3 * value for value in shape]),
            *(
                charts.Series(name, [0.45 + (0.25 + 0.05 * place) * value for value in shape], place)
                for place, name in enumerate(names)
            ),
        ],
        marked_x=12,
        marked_label="best",
    )
    bars = charts.bar_chart(
        key="gallery-bars",
        title="Where silos spend a round",
        caption="Seconds of each phase, by silo",
        x=names,
        x_title="Silo",
        y_title="Seconds",
        lying=True,
        series=[
            charts.Series(phase, [1.0 + place, 2.0, 3.0 - place], place)
            for place, phase in enumerate(("fetch", "train", "send"))
        ],
    )
    context = {
        "lines": lines,
        "bars": bars,
        "names": names,
        "trend": shape,
        "now": timezone.now(),
        "states": ["active", "running", "queued", "paused", "completed", "failed", "cancelled", "revoked"],
    }
    return render(request, "dashboards/gallery.html", context)
