"""A job's report: the seven questions that a federated project must answer, with this job's evidence.

Each answer says what was measured, or that it was not; nothing is claimed beyond the job's own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from dashboards.job.left_out import Waited, waited
from dashboards.job.series import Member, RoundTimes, Traffic, WorkRow
from dashboards.job.version_series import VersionRow
from federation.protection import mode_of
from federation.targets import Better, Target
from federation.tasks import task_of
from rest.figures import figure_written
from training.models import Job
from training.reading.counting import tally

NOT_MEASURED = "not measured"
AGAINST = 0.0
"""Below this cosine to the mean an update points away from what the others learned."""


@dataclass(frozen=True)
class Answer:
    """A question, what this job reports about it, and the figures for it. Without evidence it was not measured."""

    question: str
    failure: str
    evidence: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether this job has anything to say."""
        return bool(self.evidence)


def answers(
    job: Job,
    *,
    versions: Sequence[VersionRow],
    members: Sequence[Member],
    times: Sequence[RoundTimes],
    work: Sequence[WorkRow],
    traffic: Sequence[Traffic],
    target: Target,
) -> tuple[Answer, ...]:
    """The answers in the order of the field's list of failures: seven, and four where no model is made or tried."""
    is_about_model = task_of(job.task).is_about_model
    return (
        *((_converges(versions, target),) if is_about_model else ()),
        _private(job),
        _communication(traffic, work, members, times),
        _stragglers(work, times, members, job),
        *((_each_silo(versions, members, target), _drift(work, members)) if is_about_model else ()),
        _built_from(),
    )


def _converges(versions: Sequence[VersionRow], target: Target) -> Answer:
    question, failure = _("Does it converge on uneven data?"), _("tested only on even splits")
    metric = target.metric(target.best_by)
    found = [(row.round_number, row.figures.get(metric.name)) for row in versions]
    losses = [(number, value) for number, value in found if value is not None]
    if len(losses) < 2:
        return Answer(question, failure, (), (_("convergence: the model was not evaluated often enough"),))
    (first, began), (last, ended) = losses[0], losses[-1]
    is_lower = metric.better is Better.LOWER
    best_at, best = min(losses, key=lambda pair: pair[1] if is_lower else -pair[1])
    rows = [
        (
            _(
                "%(metric)s over all silos' own, uneven data: %(began)s after round %(first)s, %(ended)s after round "
                "%(last)s; best %(best)s after round %(best_at)s."
            )
            % {
                "metric": _(metric.title),
                "began": figure_written(metric, began),
                "first": first,
                "ended": figure_written(metric, ended),
                "last": last,
                "best": figure_written(metric, best),
                "best_at": best_at,
            }
        )
    ]
    if abs(ended - best) > 0.05 * abs(best):
        rows.append(_("It got worse again after its best point: fewer rounds, or the best version, serve better."))
    return Answer(question, failure, tuple(rows), (_("simulated label, feature and quantity skew"),))


def _private(job: Job) -> Answer:
    mode = job.request["protection"]["mode"]
    reported = (
        _(mode_of(mode).described_as),
        _("Figures of fewer rows than %(number)s, and counts below it, are withheld.")
        % {"number": job.request["limits"]["minimum_cell"]},
    )
    return Answer(
        _("Where do secure aggregation and differential privacy run?"),
        _("architecture assumed private"),
        reported,
        (_("ε per silo: this job ran without differential privacy"),),
    )


def _communication(
    traffic: Sequence[Traffic], work: Sequence[WorkRow], members: Sequence[Member], times: Sequence[RoundTimes]
) -> Answer:
    question, failure = _("What does it cost in bytes?"), _("communication cost ignored")
    if not work:
        return Answer(question, failure)
    down, up = sum(one.bytes_down for one in traffic), sum(one.bytes_up for one in traffic)
    rounds = len({(row.round_number, row.attempt) for row in work})
    reported = (
        (
            _(
                "%(down)s to the silos and %(up)s back in %(rounds)s rounds with %(silos)s silos: %(each)s a round and "
                "silo."
            )
            % {
                "down": filesizeformat(down),
                "up": filesizeformat(up),
                "rounds": rounds,
                "silos": len(members),
                "each": filesizeformat((down + up) / max(1, rounds * len(members))),
            }
        ),
    )
    return Answer(question, failure, reported, () if len(times) == rounds else (_("older rounds of a very long job"),))


def _stragglers(work: Sequence[WorkRow], times: Sequence[RoundTimes], members: Sequence[Member], job: Job) -> Answer:
    question, failure = _("What happens when silos drop out?"), _("no plan for stragglers and dropouts")
    counts = tally(row.state for row in work)
    counted, settled = counts.included, counts.settled
    if not settled:
        return Answer(question, failure)
    abandoned = sum(one.state == "abandoned" for one in times)
    rows = [
        (
            _(
                "%(counted)s of %(settled)s orders were answered and counted (%(share)s %%); "
                "%(abandoned)s rounds were abandoned and tried again."
            )
            % {
                "counted": number_format(counted),
                "settled": number_format(settled),
                "share": round(100 * counted / settled),
                "abandoned": abandoned,
            }
        ),
        *(f"{number_format(count)}: {label}." for label, count in counts.others),
        _("A round needs %(quorum)s silos and waits %(seconds)s s for them.")
        % {"quorum": job.quorum, "seconds": number_format(job.round_deadline_s, 0)},
        _("Its rounds wait %(wait)s.") % {"wait": job.get_wait_display()},
        *_left_out(waited(times, work, members)),
    ]
    return Answer(question, failure, tuple(rows), (_("a simulated loss of a third of the silos"),))


def _left_out(reported: Waited) -> list[str]:
    """What was gained by not waiting for every silo, and whose work was lost by it."""
    if not reported.rounds:
        return []
    lines = [
        _("%(rounds)s rounds closed without waiting for every silo, which saved %(saved)s s at most.")
        % {"rounds": number_format(reported.rounds), "saved": number_format(reported.saved_s, 1)}
    ]
    for loss in reported.losses:
        message = _(
            "Without %(silo)s: %(rounds)s rounds, in %(silent)s of which it was silent. %(late)s of its answers came "
            "late and did not count. It brings about %(rows)s rows to a round."
        )
        lines.append(
            message
            % {
                "silo": loss.member.name,
                "rounds": number_format(loss.rounds),
                "silent": number_format(loss.silent),
                "late": number_format(loss.late),
                "rows": number_format(loss.member.rows_coarse),
            }
        )
    return lines


def _each_silo(versions: Sequence[VersionRow], members: Sequence[Member], target: Target) -> Answer:
    question, failure = _("How does the model do at each silo?"), _("only the global average is optimised")
    best = next((row for row in versions if row.is_best), None)
    if best is None:
        return Answer(question, failure)
    metric = target.metric(target.primary)
    found = [
        (score.figures.get(metric.name), member)
        for member in members
        if (score := best.by_silo.get(member.silo_id)) is not None
    ]
    scores = [(value, member) for value, member in found if value is not None]
    if not scores:
        unknown = _("%(metric)s by silo: withheld, or no silo reported any") % {
            "metric": _(metric.called or metric.name)
        }
        return Answer(question, failure, (), (unknown,))
    scores.sort(key=lambda pair: pair[0], reverse=metric.better is Better.LOWER)
    (low, worst), (high, top) = scores[0], scores[-1]
    reported = (
        (
            _(
                "Best version, after round %(round)s: %(metric)s %(figure)s over all silos, %(low)s at the worst "
                "(%(worst)s, %(organisation)s), %(high)s at the best (%(top)s)."
            )
            % {
                "round": best.round_number,
                "metric": _(metric.called or metric.name),
                "figure": figure_written(metric, best.figures.get(metric.name)),
                "low": figure_written(metric, low),
                "worst": worst.name,
                "organisation": worst.organisation,
                "high": figure_written(metric, high),
                "top": top.name,
            }
        ),
    )
    return Answer(question, failure, reported, (_("gain over training at each silo alone"),))


def _drift(work: Sequence[WorkRow], members: Sequence[Member]) -> Answer:
    question, failure = _("Do updates still point the same way?"), _("local epochs cranked up, drift unseen")
    named = {member.silo_id: member.name for member in members}
    mine: dict[str, list[float]] = {}
    for row in work:
        if row.update_cosine is not None:
            mine.setdefault(named[row.silo_id], []).append(row.update_cosine)
    if not mine:
        return Answer(question, failure)
    means = {name: fmean(values) for name, values in mine.items()}
    low = min(means, key=lambda name: means[name])
    rows = [
        (
            _("Mean cosine between a silo's update and the mean of all: %(mean)s; lowest %(lowest)s at %(silo)s.")
            % {"mean": number_format(fmean(means.values()), 2), "lowest": number_format(means[low], 2), "silo": low}
        )
    ]
    if means[low] < AGAINST:
        rows.append(
            _("That silo pulls against the others: FedProx, an adaptive server optimiser or fewer epochs help.")
        )
    return Answer(question, failure, tuple(rows))


def _built_from() -> Answer:
    return Answer(
        _("What is ours, and why?"),
        _("built from scratch"),
        (
            _(
                "Aggregation, the connector and the documents are this project's; training is PyTorch, signatures are "
                "Ed25519 by pyca/cryptography in DSSE envelopes. Each choice has a decision record in docs/adr/."
            ),
        ),
    )
