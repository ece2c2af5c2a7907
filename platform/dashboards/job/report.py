"""A job's report: the seven questions that a federated project must answer, with this job's evidence.

Each answer says what was measured, or that it was not; nothing is claimed beyond the job's own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from django.template.defaultfilters import filesizeformat

from dashboards.job.series import Member, RoundTimes, Traffic, VersionRow, WorkRow
from training.models import Job
from training.transitions import OUTSTANDING, OrderState

NOT_MEASURED = "not measured"
AGAINST = 0.0
"""Below this cosine to the mean an update points away from what the others learned."""


@dataclass(frozen=True)
class Answer:
    """A question, what this job tells about it, and the figures for it. Without evidence it was not measured."""

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
) -> tuple[Answer, ...]:
    """The seven answers in the order of the field's list of failures."""
    return (
        _converges(versions),
        _private(job),
        _communication(traffic, work, members, times),
        _stragglers(work, times, job),
        _each_silo(versions, members),
        _drift(work, members),
        _built_from(),
    )


def _converges(versions: Sequence[VersionRow]) -> Answer:
    question, failure = "Does it converge on uneven data?", "tested only on even splits"
    losses = [(row.round_number, row.loss) for row in versions if row.loss is not None]
    if len(losses) < 2:
        return Answer(question, failure, (), ("convergence: the model was not evaluated often enough",))
    (first, began), (last, ended) = losses[0], losses[-1]
    lowest_at, lowest = min(losses, key=lambda pair: pair[1])
    told = [
        (
            f"Loss over all silos' own, uneven data: {began:.4f} after round {first}, {ended:.4f} after round {last}; "
            f"lowest {lowest:.4f} after round {lowest_at}."
        )
    ]
    if ended > lowest * 1.05:
        told.append("It rose again after its lowest point: fewer rounds, or the best version, serve better.")
    return Answer(question, failure, tuple(told), ("simulated label, feature and quantity skew",))


def _private(job: Job) -> Answer:
    mode = job.request["protection"]["mode"]
    words = {"clear": "Updates were aggregated in clear: the platform could read each silo's update."}
    told = (
        words.get(mode, f"Protection: {mode}."),
        f"Confusion counts below {job.request['limits']['minimum_cell']} are withheld.",
    )
    return Answer(
        "Where do secure aggregation and differential privacy run?",
        "architecture assumed private",
        told,
        ("ε per silo: this job ran without differential privacy",),
    )


def _communication(
    traffic: Sequence[Traffic], work: Sequence[WorkRow], members: Sequence[Member], times: Sequence[RoundTimes]
) -> Answer:
    question, failure = "What does it cost in bytes?", "communication cost ignored"
    if not work:
        return Answer(question, failure)
    down, up = sum(one.bytes_down for one in traffic), sum(one.bytes_up for one in traffic)
    rounds = len({(row.round_number, row.attempt) for row in work})
    told = (
        (
            f"{filesizeformat(down)} to the silos and {filesizeformat(up)} back in {rounds} rounds with "
            f"{len(members)} silos: "
            f"{filesizeformat((down + up) / max(1, rounds * len(members)))} a round and silo."
        ),
    )
    return Answer(question, failure, told, () if len(times) == rounds else ("older rounds of a very long job",))


def _stragglers(work: Sequence[WorkRow], times: Sequence[RoundTimes], job: Job) -> Answer:
    question, failure = "What happens when silos drop out?", "no plan for stragglers and dropouts"
    settled = [row for row in work if row.state not in OUTSTANDING]
    if not settled:
        return Answer(question, failure)
    counted = sum(row.state in {OrderState.APPLIED, OrderState.SUBMITTED} for row in settled)
    abandoned = sum(one.state == "abandoned" for one in times)
    told = [
        (
            f"{counted} of {len(settled)} orders were answered and counted ({counted / len(settled):.0%}); "
            f"{abandoned} rounds were given up and tried again."
        ),
        f"A round needs {job.quorum} silos and waits {job.round_deadline_s:.0f} s for them.",
    ]
    return Answer(question, failure, tuple(told), ("a simulated loss of a third of the silos",))


def _each_silo(versions: Sequence[VersionRow], members: Sequence[Member]) -> Answer:
    question, failure = "How does the model do at each silo?", "only the global average is optimised"
    best = next((row for row in versions if row.is_best), None)
    if best is None:
        return Answer(question, failure)
    scores = [
        (score.accuracy, member)
        for member in members
        if (score := best.by_silo.get(member.silo_id)) is not None and score.accuracy is not None
    ]
    if not scores:
        return Answer(question, failure, (), ("accuracy by silo: withheld, or no silo told any",))
    low, worst = min(scores, key=lambda pair: pair[0])
    high, top = max(scores, key=lambda pair: pair[0])
    told = (
        (
            f"Best version, after round {best.round_number}: accuracy {best.accuracy:.3f} over all silos, "
            f"{low:.3f} at the worst ({worst.name}, {worst.organisation}), {high:.3f} at the best ({top.name})."
        ),
    )
    return Answer(question, failure, told, ("gain over training at each silo alone",))


def _drift(work: Sequence[WorkRow], members: Sequence[Member]) -> Answer:
    question, failure = "Do updates still point the same way?", "local epochs cranked up, drift unseen"
    named = {member.silo_id: member.name for member in members}
    mine: dict[str, list[float]] = {}
    for row in work:
        if row.update_cosine is not None:
            mine.setdefault(named[row.silo_id], []).append(row.update_cosine)
    if not mine:
        return Answer(question, failure)
    means = {name: fmean(values) for name, values in mine.items()}
    low = min(means, key=lambda name: means[name])
    told = [
        (
            f"Mean cosine between a silo's update and the mean of all: {fmean(means.values()):.2f}; "
            f"lowest {means[low]:.2f} at {low}."
        )
    ]
    if means[low] < AGAINST:
        told.append("That silo pulls against the others: FedProx, an adaptive server optimiser or fewer epochs help.")
    return Answer(question, failure, tuple(told))


def _built_from() -> Answer:
    return Answer(
        "What is ours, and why?",
        "built from scratch",
        (
            (
                "Aggregation, the connector and the documents are this project's; training is PyTorch, signatures are "
                "Ed25519 by pyca/cryptography in DSSE envelopes. Each choice has a decision record in docs/adr/."
            ),
        ),
    )
