"""The figures of a job: how the model does, whether updates point the same way, where time and bytes go. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from dashboards.charts import Chart, Series, bar_chart, line_chart
from dashboards.job.series import Member, RoundTimes, VersionRow, WorkRow

MEGABYTE = 1e6


def convergence(versions: Sequence[VersionRow], members: Sequence[Member], measure: str) -> Chart:
    """Accuracy or loss of the model after each round, over all silos and at each."""
    best = next((row.round_number for row in versions if row.is_best), None)
    words = {
        "accuracy": "Share of each silo's own test rows that the model gets right, after each round",
        "loss": "Mean cross-entropy on each silo's own test rows, after each round",
    }
    return line_chart(
        key=measure,
        title=measure.capitalize(),
        caption=words[measure],
        x=[row.round_number for row in versions],
        x_title="After round",
        y_title={"accuracy": "Accuracy", "loss": "Loss (nats)"}[measure],
        series=[
            Series("All silos", [getattr(row, measure) for row in versions]),
            *(
                Series(
                    member.name,
                    [
                        getattr(row.by_silo[member.silo_id], measure) if member.silo_id in row.by_silo else None
                        for row in versions
                    ],
                    member.palette,
                )
                for member in members
            ),
        ],
        marked_x=best,
        marked_label="best",
    )


def drift(work: Sequence[WorkRow], members: Sequence[Member], measure: str) -> Chart:
    """Length of each silo's update, or its direction beside the mean's, by round."""
    numbers = sorted({row.round_number for row in work if row.kind == "train"})
    found = {(row.silo_id, row.round_number): getattr(row, measure) for row in work if row.kind == "train"}
    words = {
        "update_norm_l2": ("drift-norm", "Length of updates", "L2 norm of each silo's update", "L2 norm"),
        "update_cosine": (
            "drift-cosine",
            "Direction of updates",
            "Cosine between each silo's update and the mean of all: 1 is the same way, 0 is unrelated",
            "Cosine",
        ),
    }
    key, heading, caption, title = words[measure]
    return line_chart(
        key=key,
        title=heading,
        caption=caption,
        x=numbers,
        x_title="Round",
        y_title=title,
        series=[
            Series(member.name, [found.get((member.silo_id, number)) for number in numbers], member.palette)
            for member in members
        ],
    )


def round_timeline(times: Sequence[RoundTimes]) -> Chart:
    """How long each round waited for the silos, and how long the platform took after that."""
    return bar_chart(
        key="timeline",
        title="Time of rounds",
        caption="Seconds of each round: waiting for the silos, then aggregating",
        x=[one.label for one in times],
        x_title="Round",
        y_title="Seconds",
        series=[
            Series("Collecting", [one.collecting_s for one in times], 0),
            Series("Aggregating", [one.aggregating_s for one in times], 1),
        ],
    )


def phases(work: Sequence[WorkRow], members: Sequence[Member]) -> Chart:
    """Where each silo spends a round, on average: on the way, and in its trainer's phases."""
    names = list(dict.fromkeys(phase for row in work for phase in row.phases_s))
    answered = [row for row in work if row.delivered_at and row.answered_at]
    mine = {member.silo_id: [row for row in answered if row.silo_id == member.silo_id] for member in members}
    told = [member for member in members if mine[member.silo_id]]

    def on_the_way(row: WorkRow) -> float:
        assert row.delivered_at is not None
        assert row.answered_at is not None
        return max(0.0, (row.answered_at - row.delivered_at).total_seconds() - sum(row.phases_s.values()))

    series = [
        Series(name, [fmean(row.phases_s.get(name, 0.0) for row in mine[member.silo_id]) for member in told], place)
        for place, name in enumerate(names)
    ]
    series.append(Series("on the way", [fmean(map(on_the_way, mine[member.silo_id])) for member in told], len(names)))
    return bar_chart(
        key="phases",
        title="Where silos spend a round",
        caption="Mean seconds of a round at each silo: the trainer's phases, and transfer and waiting around them",
        x=[member.name for member in told],
        x_title="Silo",
        y_title="Seconds",
        series=series,
        lying=True,
        digits=3,
    )


def traffic(work: Sequence[WorkRow]) -> Chart:
    """Megabytes to and from all silos, by round."""
    numbers = sorted({row.round_number for row in work})
    down = dict.fromkeys(numbers, 0)
    up = dict.fromkeys(numbers, 0)
    for row in work:
        down[row.round_number] += row.model_size_bytes if row.delivered_at else 0
        up[row.round_number] += row.payload_size_bytes
    return bar_chart(
        key="traffic",
        title="Bytes",
        caption="Megabytes of models sent to the silos and of updates received from them, by round",
        x=numbers,
        x_title="Round",
        y_title="MB",
        series=[
            Series("To the silos", [down[number] / MEGABYTE for number in numbers], 0),
            Series("From the silos", [up[number] / MEGABYTE for number in numbers], 1),
        ],
        digits=3,
    )
