"""The figures of a job: how the model does, whether updates point the same way, where time and bytes go. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from dashboards.charts import Chart, Series, bar_chart, line_chart
from dashboards.job.series import LINES_MAX, Member, RoundTimes, Traffic, WorkRow, is_large
from dashboards.job.version_series import VersionRow
from federation.targets import Metric
from federation.tasks import kinds_that_train
from training.models import Job

MEGABYTE = 1e6
SPREAD = (gettext_noop("Highest silo"), gettext_noop("Middle silo"), gettext_noop("Lowest silo"))


def convergence(versions: Sequence[VersionRow], members: Sequence[Member], metric: Metric, best_by: Metric) -> Chart:
    """A metric of the model after each round, over all silos and at each; the best version is marked with its rule."""
    best = next((row.round_number for row in versions if row.is_best), None)
    return line_chart(
        key=metric.name,
        title=_(metric.title),
        caption=_(metric.description),
        x=[row.round_number for row in versions],
        x_title=_("After round"),
        y_title=_(metric.axis or metric.title),
        series=[
            Series(_("All silos"), [row.figures.get(metric.name) for row in versions]),
            *(_spread(versions, metric.name) if is_large(members) else _each(versions, members, metric.name)),
        ],
        y_limits=metric.limits or _readable(versions, metric),
        digits=metric.digits,
        is_significant=metric.significant_digits is not None,
        marked_x=best,
        marked_label=_("best by %(metric)s") % {"metric": _(best_by.title)},
    )


def _readable(versions: Sequence[VersionRow], metric: Metric) -> tuple[float, float] | None:
    """Where one silo can report any number, as far as the axis goes: it must not make the others' lines flat."""
    known = [value for row in versions if (value := row.figures.get(metric.name)) is not None]
    if metric.counts_at_most_times_median is None or metric.minimum is None or not known:
        return None
    return metric.minimum, metric.counts_at_most_times_median * max(known)


def convergences(job: Job, versions: Sequence[VersionRow], members: Sequence[Member]) -> list[Chart]:
    """One chart a metric that there is over all silos, as the target of the job's model has them."""
    if job.model is None:
        return []
    target = job.model.target_kind
    return [convergence(versions, members, one, target.metric(target.best_by)) for one in target.pooled_metrics()]


def drift(work: Sequence[WorkRow], members: Sequence[Member], measure: str) -> Chart:
    """Length of each silo's update, or its direction beside the mean's, by round."""
    trains = kinds_that_train()
    trained = [row for row in work if row.kind in trains]
    numbers = sorted({row.round_number for row in trained})
    found = {(row.silo_id, row.round_number): getattr(row, measure) for row in trained}
    words = {
        "update_norm_l2": ("drift-norm", _("Length of updates"), _("L2 norm of each silo's update"), _("L2 norm")),
        "update_cosine": (
            "drift-cosine",
            _("Direction of updates"),
            _("Cosine between each silo's update and the mean of all: 1 is the same way, 0 is unrelated"),
            _("Cosine"),
        ),
    }
    key, heading, caption, title = words[measure]
    return line_chart(
        key=key,
        title=heading,
        caption=caption,
        x=numbers,
        x_title=_("Round"),
        y_title=title,
        series=_lines(members, lambda member: [found.get((member.silo_id, number)) for number in numbers]),
    )


def _each(versions: Sequence[VersionRow], members: Sequence[Member], measure: str) -> list[Series]:
    def reported(row: VersionRow, member: Member) -> float | None:
        score = row.by_silo.get(member.silo_id)
        return None if score is None else score.figures.get(measure)

    return [Series(member.name, [reported(row, member) for row in versions], member.palette) for member in members]


def _spread(versions: Sequence[VersionRow], measure: str) -> list[Series]:
    nothing = (None, None, None)
    places = [row.spread.figures.get(measure, nothing) if row.spread else nothing for row in versions]
    return [Series(_(word), [place[at] for place in places], at) for at, word in enumerate(SPREAD)]


def _lines(members: Sequence[Member], values_of: Callable[[Member], list[float | None]]) -> list[Series]:
    """A line a silo; of very many silos their highest, middle and lowest at each place."""
    if not is_large(members):
        return [Series(member.name, values_of(member), member.palette) for member in members]
    known = [[value for value in place if value is not None] for place in zip(*map(values_of, members), strict=True)]
    judges: tuple[Callable[[list[float]], float], ...] = (max, median, min)
    return [
        Series(_(word), [judge(values) if values else None for values in known], place)
        for place, (word, judge) in enumerate(zip(SPREAD, judges, strict=True))
    ]


def round_timeline(times: Sequence[RoundTimes]) -> Chart:
    """How long each round waited for the silos, and how long the platform took after that."""
    return bar_chart(
        key="timeline",
        title=_("Time of rounds"),
        caption=_("Seconds of each round: waiting for the silos, then aggregating"),
        x=[one.label for one in times],
        x_title=_("Round"),
        y_title=_("Seconds"),
        series=[
            Series(_("Collecting"), [one.collecting_s for one in times], 0),
            Series(_("Aggregating"), [one.aggregating_s for one in times], 1),
        ],
    )


@dataclass(frozen=True)
class _SiloRound:
    """How long one silo took with all steps of one attempt at a round."""

    took_s: float
    phases_s: dict[str, float]

    @property
    def on_the_way_s(self) -> float:
        """What is none of its trainer's phases."""
        return max(0.0, self.took_s - sum(self.phases_s.values()))


def _answered_rounds(work: Sequence[WorkRow]) -> dict[UUID, list[_SiloRound]]:
    """By silo, the attempts at rounds in which it has answered every order that it was given."""
    parts: dict[tuple[UUID, int, int], list[WorkRow]] = {}
    for row in work:
        parts.setdefault((row.silo_id, row.round_number, row.attempt), []).append(row)
    mine: dict[UUID, list[_SiloRound]] = {}
    for (silo_id, _number, _attempt), rows in parts.items():
        took = [row.took_s for row in rows if row.took_s is not None]
        if len(took) < len(rows):
            continue
        spent: Counter[str] = Counter()
        for row in rows:
            spent.update(row.phases_s)
        mine.setdefault(silo_id, []).append(_SiloRound(sum(took), dict(spent)))
    return mine


def phases(work: Sequence[WorkRow], members: Sequence[Member]) -> Chart:
    """Where each silo spends a round, on average: on the way, and in its trainer's phases."""
    names = list(dict.fromkeys(phase for row in work for phase in row.phases_s))
    mine = _answered_rounds(work)
    rows = [member for member in members if member.silo_id in mine]
    if slowest := len(rows) > LINES_MAX:
        rows = sorted(rows, key=lambda member: -fmean(one.took_s for one in mine[member.silo_id]))[:LINES_MAX]
    series = [
        Series(name, [fmean(one.phases_s.get(name, 0.0) for one in mine[member.silo_id]) for member in rows], place)
        for place, name in enumerate(names)
    ]
    series.append(
        Series(
            _("on the way"), [fmean(one.on_the_way_s for one in mine[member.silo_id]) for member in rows], len(names)
        )
    )
    what = _("the trainer's phases, and transfer and waiting around them")
    return bar_chart(
        key="phases",
        title=_("Where silos spend a round"),
        caption=_("Mean seconds of a round at the %(number)s silos that take longest: %(what)s")
        % {"number": LINES_MAX, "what": what}
        if slowest
        else _("Mean seconds of a round at each silo: %(what)s") % {"what": what},
        x=[member.name for member in rows],
        x_title=_("Silo"),
        y_title=_("Seconds"),
        series=series,
        lying=True,
        digits=3,
    )


def traffic(rounds: Sequence[Traffic]) -> Chart:
    """Megabytes to and from all silos, by round."""
    return bar_chart(
        key="traffic",
        title=_("Bytes"),
        caption=_("Megabytes of models sent to the silos and of updates received from them, by round"),
        x=[one.round_number for one in rounds],
        x_title=_("Round"),
        y_title="MB",
        series=[
            Series(_("To the silos"), [one.bytes_down / MEGABYTE for one in rounds], 0),
            Series(_("From the silos"), [one.bytes_up / MEGABYTE for one in rounds], 1),
        ],
        digits=3,
    )
