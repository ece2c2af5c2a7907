"""A job of statistics as it would look had silos answered it, for benchmarks of pages. Nothing is signed or counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from benchmarks.synthetic_jobs import digest_of, wave
from consortia.models import Consortium
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_bytes
from federation.statistics.columns import ColumnShape, columns_of
from federation.statistics.disclosure import protect, rounded
from federation.statistics.pooling import encode_pooled, pool
from federation.statistics.report import ColumnReport, StatisticsReport
from silos.models import Dataset
from training.launch.requests import JobRequest
from training.models import CohortMember, Job, ReleasedStatistics
from training.transitions import JobState

MINIMUM_CELL = 5
EDGES = tuple(float(edge) for edge in range(0, 201, 10))
"""How columns of numbers are cut."""


def release_statistics(
    *, consortium: Consortium, datasets: Sequence[Dataset], declaration: DatasetDeclaration, by: User
) -> Job:
    """Write a completed job that has released statistics of every column of these datasets."""
    shapes = [replace(shape, edges=EDGES) if shape.has_moments else shape for shape in columns_of(declaration).values()]
    begun = timezone.now() - timedelta(days=30)
    name = "Statistics of every column"
    asked = {
        "task": "statistics",
        "name": name,
        "purpose": "See whether the clinics' patients are alike before a model is trained.",
        "datasets": [dataset.id for dataset in datasets],
        "protection": {"mode": "clear"},
        "statistics": {"columns": [shape.name for shape in shapes]},
    }
    job = Job.objects.create(
        consortium=consortium,
        name=name,
        task="statistics",
        state=JobState.COMPLETED,
        launched_by=by,
        request=JobRequest.model_validate(asked).model_dump(mode="json"),
        manifest=b"{}",
        manifest_digest=digest_of("manifest", name),
        rounds_planned=0,
        quorum=len(datasets),
        round_deadline_s=600,
        started_at=begun,
        ended_at=begun + timedelta(minutes=1),
    )
    Job.objects.filter(pk=job.pk).update(created_at=begun)
    CohortMember.objects.bulk_create(
        CohortMember(job=job, silo_id=dataset.silo_id, dataset=dataset, position=place)
        for place, dataset in enumerate(datasets, start=1)
    )
    document = encode_pooled(pool([_report(shapes, dataset) for dataset in datasets]))
    ReleasedStatistics.objects.create(
        job=job, document=document, digest=digest_bytes(document), released_at=begun + timedelta(minutes=1)
    )
    return job


def _report(shapes: Iterable[ColumnShape], dataset: Dataset) -> StatisticsReport:
    """One silo's report; what is small in it is withheld, as a silo would."""
    rows = 200 + round(200 * wave(dataset.id))
    columns = tuple(_column(shape, rows, dataset) for shape in shapes)
    return StatisticsReport(minimum_cell=MINIMUM_CELL, rows=rows, columns=columns)


def _column(shape: ColumnShape, rows: int, dataset: Dataset) -> ColumnReport:
    parts = [wave(dataset.id, shape.name, place) for place in range(shape.cells)]
    cells = [int(rows * part / sum(parts)) for part in parts]
    missing, *reported = protect([rows - sum(cells), *cells], MINIMUM_CELL)
    moments: dict[str, float] = {}
    if shape.has_moments and missing is not None and None not in reported:
        moments = {"mean": rounded(50 + 20 * wave(dataset.id, shape.name)), "variance": 90.0}
    return ColumnReport(
        name=shape.name,
        type=shape.type,
        levels=shape.levels,
        unit=shape.unit,
        edges=shape.edges,
        missing=missing,
        cells=tuple(reported),
        **moments,
    )
