"""What a job of statistics has released: worked out again from the reports that the silos' signed answers name."""

from __future__ import annotations

from collections.abc import Iterator

from federation.errors import FederationError
from federation.evidence.bundle_parser import Evidence
from federation.evidence.matching import Opened
from federation.evidence.report import Fault, Report
from federation.evidence.root_documents import RootDocuments
from federation.evidence.round_events import History, RoundEvents
from federation.protocol.digests import digest_bytes
from federation.statistics.disclosure import check_report
from federation.statistics.pooling import PooledColumn, PooledStatistics, encode_pooled, pool, read_pooled
from federation.statistics.report import REPORT, StatisticsReport, read_report

RELEASED = "statistics"


def check_statistics(
    evidence: Evidence, opened: Opened, history: History, found: RootDocuments, report: Report
) -> None:
    """Find reports that no silo has signed or that report too much, and figures that are not those of the reports.

    What holds is shown, column by column. Nothing where a job is of another task, and has no such documents.
    """
    for name, content in evidence.reports.items():
        answer = opened.answers.get(name)
        payload = None if answer is None else answer.said.payloads.get(REPORT)
        if payload is None or payload.digest != digest_bytes(content):
            message = "No answer that holds names such a report."
            report.faults.append(Fault(f"statistics report {name}", "statistics.unsigned", message))
    closed = next((one for one in history.closed if one.statistics is not None), None)
    if closed is None:
        if evidence.released is not None:
            report.faults.append(Fault(RELEASED, "statistics.not_in_log", "The log has no such figures."))
        return
    if evidence.released is None or digest_bytes(evidence.released) != closed.statistics:
        message = "The figures that the log has as released are not in the bundle."
        report.faults.append(Fault(RELEASED, "statistics.left_out", message))
        return
    faults = list(_faults(evidence, closed, found))
    report.faults.extend(faults)
    report.checked["reports of statistics"] = len(evidence.reports)
    if not faults:
        pooled = read_pooled(evidence.released)
        report.released = tuple(_in_words(column, pooled) for column in pooled.columns)


def _faults(evidence: Evidence, closed: RoundEvents, found: RootDocuments) -> Iterator[Fault]:
    reports: list[StatisticsReport] = []
    minimum = max(found.manifest.limits.minimum_cell, found.agreement.agreement.terms.disclosure.minimum_cell)
    for name in sorted(closed.counted or ()):
        content = evidence.reports.get(name)
        if content is None:
            yield Fault(f"statistics report {name}", "statistics.report_left_out", "It counts, and is not here.")
            return
        try:
            document = read_report(content)
            check_report(document, minimum)
        except FederationError as error:
            yield Fault(f"statistics report {name}", error.code, error.message)
            return
        reports.append(document)
    try:
        pooled = encode_pooled(pool(reports)) if reports else b""
    except FederationError as error:
        yield Fault(RELEASED, error.code, error.message)
        return
    asked = found.manifest.statistics
    if asked is not None and reports and tuple(one.name for one in reports[0].columns) != asked.columns:
        yield Fault(RELEASED, "statistics.other_columns", "The figures are of other columns than the manifest's.")
    if pooled != evidence.released:
        message_text = "The silos' reports come to other figures than those that were released."
        yield Fault(RELEASED, "statistics.other_figures", message_text)


def _in_words(column: PooledColumn, pooled: PooledStatistics) -> str:
    cells = (column.missing, *column.cells)
    withheld = sum(cell.count is None for cell in cells)
    listed = [f"{len(cells) - withheld} counts over {pooled.silos} silos and {pooled.rows} rows"]
    if withheld:
        listed.append(f"{withheld} withheld")
    if column.moments_silos:
        listed.append(f"mean and variance of {column.moments_silos} silos")
    if column.quantiles:
        listed.append(f"{len(column.quantiles)} quantiles")
    return f"{column.name}: {', '.join(listed)}"
