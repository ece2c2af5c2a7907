"""Orders to report statistics of columns: counts, means, histograms, cut as this silo has declared, small cells
withheld.

What holds against a platform that asks too much is checked here and nowhere else: the cells are those of the own
declaration, the minimum cell is that of the agreement as it is kept here, the day's cap is the site's own, and the rows
must be those of earlier answers or clearly others (``store.statistics``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from federation.errors import FederationError
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Limits, Manifest, Order, OrderKind, Payload
from federation.protocol.payloads.statistics_v1 import PAYLOAD
from federation.statistics.columns import ColumnShape, columns_of
from federation.statistics.disclosure import MINIMUM_CELL_LEAST
from federation.statistics.measuring import measure_column
from federation.statistics.report import BYTES_MAX, REPORT, ColumnReport, StatisticsReport, encode_report
from silo_connector.trainer.data.common_columns import CommonColumns, fingerprint_of
from silo_connector.trainer.data.table import CategoricalColumn, Numbers
from silo_connector.trainer.egress.filter import StatisticsBounds, sign_if_allowed
from silo_connector.trainer.kinds import job_orders
from silo_connector.trainer.kinds.job_orders import JobWork
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.kinds.submissions import submission_to
from silo_connector.trainer.orders.verification import JobTask, Trust, check_artefacts, validate_member
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Outcome, SentPayload
from silo_connector.trainer.store.statistics import ADMITTED, RowState


@dataclass(frozen=True)
class StatisticsTask(JobTask):
    """An order to report statistics that is in order: of which columns, in the manifest's order."""

    shapes: tuple[ColumnShape, ...]


class StatisticsKind:
    """One silo's part of a job of statistics."""

    name = OrderKind.STATISTICS.value
    document = Order
    is_of_job = True
    is_urgent = False
    begins_round = False
    parameters: frozenset[str] = frozenset()

    def payload_kinds(self) -> Collection[str]:
        """The report."""
        return (PAYLOAD.name,)

    def validate(self, order: Order, incoming: Incoming, silo: SiloContext) -> JobWork[StatisticsTask]:
        """What is to be reported, if that is allowed. Raises Refused."""

        def task_of(manifest: Manifest) -> StatisticsTask:
            return validate_statistics_order(order, manifest, incoming.trust, silo.datasets.declarations)

        return job_orders.allow(order, task_of, incoming, silo)

    def execute(self, work: JobWork[StatisticsTask], incoming: Incoming, silo: SiloContext) -> Outcome:
        """Count. Raises Refused, OSError."""
        verify_s = time.perf_counter() - incoming.started_s - work.data_s
        started = time.perf_counter()
        task, permit = work.task, work.permit
        dataset, asked = task.member.dataset, task.manifest.limits.minimum_cell
        if asked > max(permit.minimum_cell, Limits().minimum_cell):  # one that is smaller than agreed is refused before
            message = f"It asks for a minimum cell of {asked}, {permit.minimum_cell} is agreed."
            raise Refused("statistics.minimum_cell", message)
        minimum_cell = max(permit.minimum_cell, asked)
        if minimum_cell < MINIMUM_CELL_LEAST:
            raise Refused("statistics.minimum_cell_least", f"A minimum cell of {minimum_cell} hides nothing.")
        columns = silo.datasets.common_columns(dataset)
        state = _state(silo.datasets.declarations[dataset], columns, minimum_cell)
        silo.statistics.note_sources(silo.datasets.files())
        admitted = silo.statistics.admit(
            silo.datasets.file_of(dataset),
            task.order.job_id,
            state,
            silo.clock.now(),
            per_day_max=permit.policy.statistics_per_day_max,
            minimum_cell=minimum_cell,
        )
        silo.journal.add(ADMITTED, durable=False, **admitted)  # the line about the answer is, and this one with it
        payload = encode_report(report_of(task.shapes, columns, minimum_cell))
        if len(payload) > BYTES_MAX:
            raise Refused("statistics.too_large", f"The report has {len(payload)} bytes.")
        phases_s = {"verify": verify_s, "data": work.data_s + time.perf_counter() - started}
        named = Payload(kind=PAYLOAD.name, digest=digest_bytes(payload), size_bytes=len(payload))
        submission = submission_to(task.order, silo.environment, phases_s, {REPORT: named})
        file = silo.outbox.payload(incoming.name, REPORT)
        _write(file, payload)
        bounds = StatisticsBounds(
            task.order.kind, task.shapes, minimum_cell, task.manifest.protection, task.order.outputs
        )
        try:
            answer = sign_if_allowed(submission, silo.key, bounds, {REPORT: file})
        except FederationError as error:
            raise Refused("egress.not_allowed", str(error)) from error
        silo.outbox.sync()
        return Outcome(incoming.name, answer, (SentPayload(REPORT, digest_bytes(payload), len(payload)),))


def validate_statistics_order(
    order: Order, manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> StatisticsTask:
    """What must hold of an order to report statistics. Raises Refused.

    The order says nothing but the job's columns: how they are cut is not asked of it, and it has no parameters.
    """
    if manifest.statistics is None:
        raise Refused("order.task_mismatch", f"A {manifest.task} job sent an order for statistics.")
    member, declaration = validate_member(manifest, trust, datasets)
    check_artefacts(order, inputs=[], outputs={REPORT: PAYLOAD.name})
    here = columns_of(declaration)
    unknown = [name for name in manifest.statistics.columns if name not in here]
    if unknown:
        raise Refused("statistics.unknown_column", f"{member.dataset!r} has no column {unknown[0]!r}.")
    return StatisticsTask(order, manifest, member, tuple(here[name] for name in manifest.statistics.columns))


def report_of(shapes: tuple[ColumnShape, ...], columns: CommonColumns, minimum_cell: int) -> StatisticsReport:
    """What is reported of these columns."""
    rows = len(next(iter(columns.values())).missing)
    listed = tuple(_column(shape, columns[shape.name], minimum_cell) for shape in shapes)
    return StatisticsReport(minimum_cell=minimum_cell, rows=rows, columns=listed)


def _column(shape: ColumnShape, column: Numbers | CategoricalColumn, minimum_cell: int) -> ColumnReport:
    levels = None
    if shape.levels is not None:
        levels = tuple(int(np.count_nonzero(column.equals(level) & ~column.missing)) for level in shape.levels)
    values = column.values if isinstance(column, Numbers) else None
    return measure_column(shape, column.missing, values, levels, minimum_cell)


def _state(declaration: DatasetDeclaration, columns: CommonColumns, minimum_cell: int) -> RowState:
    rows = len(next(iter(columns.values())).missing)
    return RowState(fingerprint_of(declaration, columns, minimum_cell), rows)


def _write(file: Path, payload: bytes) -> None:
    """Whole and durable, or not at all."""
    with file.open("wb") as stream:
        stream.write(payload)
        stream.flush()
        os.fsync(stream.fileno())


KIND = StatisticsKind()
