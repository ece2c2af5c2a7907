"""Jobs side by side: what was asked for, how their models did over the rounds, and at each silo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from dashboards.charts import Chart, Series, line_chart
from dashboards.job import series, version_series
from dashboards.job.series import Member
from dashboards.job.version_series import VersionRow
from federation.targets import Metric, Target
from plans.models import TrainingPlan
from plans.selectors import plan_with
from rest.errors import BadRequest
from rest.figures import figure_written
from training.models import Job
from training.permissions import access_job

JOBS_MIN, JOBS_MAX = 2, 5
POINTS_DRAWN = 100


@dataclass(frozen=True)
class Setting:
    """One line of the configurations: the value in each job, and whether they differ."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all jobs have the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Compared:
    """A job, and what is drawn of it."""

    job: Job
    versions: tuple[VersionRow, ...]
    members: tuple[Member, ...]
    series: int
    plan: TrainingPlan | None
    target: Target

    @property
    def best(self) -> VersionRow | None:
        """Its best version."""
        return next((row for row in self.versions if row.is_best), None)

    @property
    def primary(self) -> Metric:
        """The metric that a page shows where it shows one."""
        return self.target.metric(self.target.primary)

    def at(self, silo_id: UUID) -> str:
        """How the best version does on that silo's own test rows."""
        score = self.best.by_silo.get(silo_id) if self.best else None
        return figure_written(self.primary, score.figures.get(self.primary.name) if score else None)


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """Two to five jobs side by side. Raises BadRequest ``compare.number``; a job that one may not see is not found."""
    user = signed_in(request)
    wanted = list(dict.fromkeys(request.GET.getlist("job")))
    if not JOBS_MIN <= len(wanted) <= JOBS_MAX:
        raise BadRequest(
            "compare.number",
            _("Choose %(least)s to %(most)s jobs in the list of jobs to compare them.")
            % {"least": JOBS_MIN, "most": JOBS_MAX},
        )
    compared = [
        Compared(
            job,
            version_series.versions_of(job, POINTS_DRAWN, silos_of_best=True),
            series.members_of(job),
            place,
            plan_with(job.consortium, job.request.get("plan") or ""),
            version_series.target_of_job(job),
        )
        for place, job in enumerate(access_job(user, job_id) for job_id in wanted)
    ]
    silos = {member.silo_id: member for one in compared for member in one.members}
    context = {
        "compared": compared,
        "settings": settings_of([one.job for one in compared]),
        "metrics": (metrics := _metrics(compared)),
        "charts": [chart for metric in metrics if (chart := _curves(compared, metric))],
        "silos": [
            (member, [one.at(member.silo_id) for one in compared])
            for member in sorted(silos.values(), key=lambda member: (member.organisation, member.name))
        ],
    }
    return render(request, "dashboards/compare.html", context)


def settings_of(jobs: Sequence[Job]) -> list[Setting]:
    """The configurations as launched, a line a setting, those that differ first."""
    flat = [_flattened(job.request) for job in jobs]
    names = list(dict.fromkeys(name for one in flat for name in one))
    lines = [Setting(name, tuple(one.get(name, "–") for one in flat)) for name in names]
    return sorted(lines, key=lambda line: not line.differs)


def _flattened(data: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            found |= _flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[prefix + name] = (
                ", ".join(map(str, value))
                if name != "datasets"
                else (ngettext("%(count)s dataset", "%(count)s datasets", len(value)) % {"count": len(value)})
            )
        elif name not in {"name"} or prefix:
            found[prefix + name] = "–" if value is None or value == "" else str(value)
    return found


def _metrics(compared: Sequence[Compared]) -> list[Metric]:
    """Those of all the jobs' targets, each once."""
    return list({metric.name: metric for one in compared for metric in one.target.pooled_metrics()}.values())


def _curves(compared: Sequence[Compared], metric: Metric) -> Chart:
    numbers = sorted({row.round_number for one in compared for row in one.versions})
    rows = [{row.round_number: row.figures.get(metric.name) for row in one.versions} for one in compared]
    return line_chart(
        key=f"compare-{metric.name}",
        title=_(metric.title),
        caption=_("%(metric)s over all silos of each job's cohort, after each round") % {"metric": _(metric.title)},
        x=numbers,
        x_title=_("After round"),
        y_title=_(metric.axis or metric.title),
        series=[
            Series(one.job.name, [values.get(number) for number in numbers], one.series)
            for one, values in zip(compared, rows, strict=True)
        ],
        y_limits=metric.limits,
        digits=metric.digits,
        is_significant=metric.significant_digits is not None,
    )
