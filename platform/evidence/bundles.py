"""The bundle of a job: everything that was signed for it, its events in the audit log, and what proves that these are.

What is in a bundle is what the log has up to a head that the platform signed; what came after it is in a later bundle.
Of other jobs, and of what else happened in the consortium, it has nothing but hashes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import StreamingHttpResponse

from audit.models import Checkpoint, Event, Link
from evidence.audit_entries import EventsUnderHead, events_under_head, log_entries
from federation.evidence import bundle_parser
from federation.evidence.bundles import Entry, write_bundle
from federation.protocol.chains import chain_of
from federation.protocol.documents import Manifest, read
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PublicKey, load_public
from federation.tasks import task_of
from plans.models import SignedReview
from realtime import database
from registry.models import Passport
from rest.errors import Conflict
from silos.models import KeySuccession
from training.models import Job, Order, RefusalDocument, ReleasedStatistics, StatisticsReport, Submission
from training.transitions import OrderState

RECORDS_AT_ONCE = 1000
LINES_AT_ONCE = 200


def bundle_answer(job: Job) -> StreamingHttpResponse:
    """The file as an answer. Raises Conflict ``evidence.none`` for a job that never began, ``evidence.not_yet``."""
    if job.manifest is None:
        raise Conflict("evidence.none", "This job never began: nothing was signed for it.")
    if head_of(job) is None:
        message = "No signed head of the audit log has this job yet. Try again in two minutes."
        raise Conflict("evidence.not_yet", message)
    headers = {"Content-Disposition": f'attachment; filename="evidence-{job.id}.jsonl"', "Cache-Control": "no-store"}
    return EvidenceAnswer(bundle_of(job), content_type="application/jsonl", headers=headers)


class EvidenceAnswer(StreamingHttpResponse):
    """A bundle as it goes out: a block of lines at a time, each read in a thread of the database's."""

    def __init__(self, lines: Iterator[bytes], **named: Any) -> None:
        self._lines = lines
        super().__init__(lines, **named)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What a server that is asynchronous asks for; Django itself would make all of it first."""
        while block := await database.run_in_db_thread(self._block):
            yield block

    def _block(self) -> bytes:
        return b"".join(islice(self._lines, LINES_AT_ONCE))


def bundle_of(job: Job) -> Iterator[bytes]:
    """The lines of the job's bundle. Raises ValueError where no signed head has the job yet."""
    head = head_of(job)
    if head is None:
        raise ValueError(f"No head of the log has the job {job.id}.")
    return write_bundle(_entries(job, head))


def head_of(job: Job) -> Checkpoint | None:
    """The newest signed head of the log, if the job's begin is under it."""
    chain = chain_of(job.consortium_id)
    head = Checkpoint.objects.filter(chain=chain).exclude(root=None).order_by("-position").first()
    began = Event.objects.filter(job_id=job.id, verb="job.running").values("id")
    if head is None or not Link.objects.filter(event_id__in=began, position__lte=head.position).exists():
        return None
    return head


def _entries(job: Job, head: Checkpoint) -> Iterator[Entry]:
    reported = events_under_head(job, head)
    root = load_public(settings.PLATFORM_PUBLIC_KEY_FILE)
    successions = list(KeySuccession.objects.order_by("sequence"))
    first = successions[0].predecessor if successions else root[0].key_id
    key = next((one for one in root if one.key_id == first), root[0])
    yield Entry(bundle_parser.PLATFORM_KEY, key.encoded.encode())
    for succession in successions:
        yield Entry(f"{bundle_parser.SUCCESSION}{succession.sequence}", bytes(succession.document))
    if job.agreement is not None and job.agreement.envelope is not None:
        yield Entry(bundle_parser.AGREEMENT, bytes(job.agreement.envelope))
    yield Entry(bundle_parser.MANIFEST, bytes(job.manifest or b""))
    yield from _reviews(job)
    if task_of(job.task).trains:
        papers = Passport.objects.filter(version__model__jobs=job).order_by("version__round_number")
        for number, document in papers.values_list("version__round_number", "document"):
            if reported.has_passport(number):
                yield Entry(f"{bundle_parser.PASSPORT}{number}", bytes(document))
    yield from _statistics(job, reported)
    orders = Order.objects.filter(job=job)
    ids = list(orders.order_by("issued_at", "number").values_list("id", flat=True))
    for some in batched([order_id for order_id in ids if reported.has_order(order_id)]):
        for order_id, envelope in orders.filter(id__in=some).order_by("number").values_list("id", "envelope"):
            yield Entry(f"{bundle_parser.ORDER}{order_id}", bytes(envelope))
    for some in batched([order_id for order_id in ids if reported.has_answer(order_id)]):
        for kind in (Submission, RefusalDocument):
            answers = kind.objects.filter(order__in=some).order_by("received_at", "order")
            if kind is RefusalDocument:  # one that came too late is in no event
                answers = answers.filter(order__state=OrderState.REFUSED)
            for order_id, document in answers.values_list("order_id", "document"):
                yield Entry(f"{bundle_parser.ANSWER}{order_id}", bytes(document))
    yield from log_entries(job, head)


def _statistics(job: Job, reported: EventsUnderHead) -> Iterator[Entry]:
    """What a job of statistics has released, and what each silo reported about it; nothing of other jobs."""
    reports = StatisticsReport.objects.filter(order__job=job).order_by("order__number", "order")
    for order_id, document in reports.values_list("order_id", "document"):
        if reported.has_answer(order_id):
            yield Entry(f"{bundle_parser.REPORT}{order_id}", bytes(document))
    released = ReleasedStatistics.objects.filter(job=job).first()
    if released is not None and reported.has_statistics:
        yield Entry(bundle_parser.RELEASED, bytes(released.document))


def _reviews(job: Job) -> Iterator[Entry]:
    """What the members of the agreement have signed of the job's code, by the keys that stand in it."""
    if job.agreement is None or not (
        digest := read(Manifest, payload_unverified(bytes(job.manifest or b""))).code_digest
    ):
        return
    keys = [PublicKey.from_encoded(member["signatory_key"]).key_id for member in job.agreement.terms["members"]]
    rows = SignedReview.objects.filter(code_digest=digest, key_id__in=keys).order_by("reviewed_at", "id")
    for number, envelope in enumerate(list(rows.values_list("envelope", flat=True)), start=1):
        yield Entry(f"{bundle_parser.REVIEW}{number}", bytes(envelope))


def batched(ids: list[UUID]) -> Iterator[list[UUID]]:
    """So many at once."""
    return (ids[start : start + RECORDS_AT_ONCE] for start in range(0, len(ids), RECORDS_AT_ONCE))
