"""To report statistics of columns: each silo answers with a report, and the reports are pooled by sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from artefacts import store
from audit.actors import Actor
from federation.aggregation.aggregate import Rejected
from federation.aggregation.checks import MISSING
from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind, Submission
from federation.protocol.payloads.statistics_v1 import PAYLOAD
from federation.sentences import Sentence
from federation.statistics.disclosure import check_report
from federation.statistics.pooling import encode_pooled, pool
from federation.statistics.report import REPORT, StatisticsReport, read_report
from registry.models import ModelVersion
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed, TooFewAcceptedError
from training.engine.kinds.models import upload_grant
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Job, ReleasedStatistics, Round
from training.models import StatisticsReport as KeptReport
from training.protocols.answers import Answer


class Statistics:
    """Figures of columns, and of no model."""

    kind = OrderKind.STATISTICS
    is_about_model = False
    parameters: frozenset[str] = frozenset()

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """The columns."""
        del version
        return {"statistics": job.request["statistics"]}

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """A grant to upload the report. What is asked stands in the manifest alone."""
        return {"outputs": {REPORT: upload_grant(round_, order_id, REPORT, PAYLOAD.name, deadlines.expires_at)}}

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """It is answered with a report, and with nothing about a model."""
        del order
        if statement.training is not None or statement.evaluation is not None:
            raise Invalid("submission.payload", "An order for statistics is answered with no figure of a model.")

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """Pool the reports that hold, and keep what comes of it with each of them."""
        job = claim.round.job
        columns = tuple(job.request["statistics"]["columns"])
        minimum_cell = int(job.request["limits"]["minimum_cell"])
        reports: dict[UUID, tuple[bytes, StatisticsReport]] = {}
        rejected: list[Rejected] = []
        for answer in answers:
            claim.renew()
            try:
                content = store.path_of(answer.payloads[REPORT].digest).read_bytes()
                report = read_report(content)
                check_report(report, minimum_cell)
                if tuple(column.name for column in report.columns) != columns:
                    raise Invalid("statistics.other_columns", "The report is of other columns than the job's.")
            except Invalid as error:
                rejected.append(Rejected(str(answer.order_id), error.code, error.message))
                continue
            except FileNotFoundError:
                rejected.append(Rejected(str(answer.order_id), MISSING, "The update's file is not there any more."))
                continue
            reports[answer.order_id] = content, report
        for order_id in _cut_otherwise({order_id: report for order_id, (_, report) in reports.items()}):
            del reports[order_id]
            message_text = "The silo cuts a column otherwise than most of the others."
            rejected.append(Rejected(str(order_id), "statistics.edges_differ", message_text))
        if len(reports) < claim.step.quorum:
            form = "%(accepted)s updates could be accepted, at least %(needed)s are needed."
            raise TooFewAcceptedError(Sentence(form, accepted=len(reports), needed=claim.step.quorum), rejected)
        # in the order of the orders' ids, so that anyone who verifies it comes to the same bytes
        document = encode_pooled(pool([reports[order_id][1] for order_id in sorted(reports, key=str)]))
        digest = digest_bytes(document)

        def keep(by: Actor) -> None:
            del by
            KeptReport.objects.bulk_create(
                KeptReport(order_id=order_id, document=content) for order_id, (content, _report) in reports.items()
            )
            ReleasedStatistics.objects.create(job=job, document=document, digest=digest, released_at=timezone.now())

        applied = [Applied(order_id) for order_id in reports]
        return Closed(applied, rejected, evidence={"statistics": digest}, keep=keep)


def _cut_otherwise(reports: Mapping[UUID, StatisticsReport]) -> list[UUID]:
    """The orders whose reports are not cut as most are, so that one silo alone can't have the others left out."""
    shapes = {order_id: tuple(column.shape for column in report.columns) for order_id, report in reports.items()}
    ((usual, _count),) = Counter(shapes.values()).most_common(1) or [((), 0)]
    return [order_id for order_id, cut in shapes.items() if cut != usual]


STEP_KIND = Statistics()
