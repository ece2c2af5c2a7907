"""The bundle of a job: everything that was signed for it, and the audit chain up to a head that the platform signed."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from audit.models import Checkpoint, Link
from audit.sequencing import chain_of
from federation.errors import Invalid
from federation.evidence import reading
from federation.evidence.bundles import Entry, write_bundle
from federation.protocol.keys import load_public
from silos.models import KeySuccession
from training.models import Job, Order, Submission

RECORDS_AT_ONCE = 1000


def check_has_evidence(job: Job) -> None:
    """Raise Invalid ``evidence.none`` for a job that never began: nothing was signed for it."""
    if job.manifest is None:
        raise Invalid("evidence.none", "This job never began: nothing was signed for it.")


def bundle_of(job: Job) -> Iterator[bytes]:
    """The lines of the job's bundle, read from the database as they go out."""
    return write_bundle(_entries(job))


def _entries(job: Job) -> Iterator[Entry]:
    root = load_public(settings.PLATFORM_PUBLIC_KEY_FILE)
    successions = list(KeySuccession.objects.order_by("sequence"))
    first = successions[0].predecessor if successions else root[0].key_id
    key = next((one for one in root if one.key_id == first), root[0])
    yield Entry(reading.PLATFORM_KEY, key.encoded.encode())
    for succession in successions:
        yield Entry(f"{reading.SUCCESSION}{succession.sequence}", bytes(succession.document))
    if job.agreement is not None and job.agreement.envelope is not None:
        yield Entry(reading.AGREEMENT, bytes(job.agreement.envelope))
    yield Entry(reading.MANIFEST, bytes(job.manifest or b""))
    orders = Order.objects.filter(step__round__job=job).order_by("issued_at", "number")
    for order_id, envelope in orders.values_list("id", "envelope").iterator(chunk_size=RECORDS_AT_ONCE):
        yield Entry(f"{reading.ORDER}{order_id}", bytes(envelope))
    answers = Submission.objects.filter(order__step__round__job=job).order_by("received_at", "id")
    for order_id, document in answers.values_list("order_id", "document").iterator(chunk_size=RECORDS_AT_ONCE):
        yield Entry(f"{reading.ANSWER}{order_id}", bytes(document))
    yield from _audit(chain_of(job.consortium_id))


def _audit(chain: str) -> Iterator[Entry]:
    checkpoint = Checkpoint.objects.filter(chain=chain).order_by("-position").first()
    if checkpoint is None:
        return
    links = Link.objects.filter(chain=chain, position__lte=checkpoint.position).order_by("position")
    block: list[bytes] = []
    number = 0
    for link in links.iterator(chunk_size=RECORDS_AT_ONCE):
        block.append(reading.link_line(link.position, bytes(link.digest), bytes(link.record)))
        if len(block) == RECORDS_AT_ONCE:
            number += 1
            yield Entry(f"{reading.RECORD}{number}", b"".join(block))
            block = []
    if block:
        yield Entry(f"{reading.RECORD}{number + 1}", b"".join(block))
    yield Entry(reading.CHECKPOINT, bytes(checkpoint.document))
