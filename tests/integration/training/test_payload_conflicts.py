"""Answers whose payloads are not what their order, their document or their upload says: each is refused by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils import timezone

from artefacts import store
from federation.errors import FederationError
from federation.protocol.digests import digest_bytes
from tests.support.federation import TEST, Federation, make_federation
from training.engine import answers, start
from training.launch.actions import launch
from training.models import Order, Submission, Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]
MINE, OTHER = b"mine" * 1000, b"other" * 1000
LARGE = b"large" * 100_000


@dataclass(frozen=True)
class Case:
    """What the document names, what comes along, and what was uploaded."""

    code: str
    named: bytes = MINE
    named_size_bytes: int | None = None
    inline: bytes | None = None
    inline_name: str = "update"
    uploaded: bytes | None = None
    is_finished: bool = True


CASES = {
    "a payload that the document does not name": Case("submission.payload", inline=MINE, inline_name="seeds"),
    "more bytes than were granted": Case("submission.payload", named=LARGE, inline=LARGE),
    "other bytes than the document names": Case("blob.digest_mismatch", inline=OTHER),
    "another number of bytes than came": Case("blob.digest_mismatch", named_size_bytes=1, inline=MINE),
    "other bytes than the grant has brought": Case("upload.other_artefact", inline=MINE, uploaded=OTHER),
    "nothing uploaded": Case("submission.payload_missing"),
    "an upload that is not finished": Case("submission.payload_missing", uploaded=MINE, is_finished=False),
    "an upload of something else": Case("submission.payload_missing", uploaded=OTHER),
    "an upload of another size": Case("submission.payload_missing", uploaded=MINE, named_size_bytes=1),
}


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    federation = make_federation()
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    return federation


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_payload_that_does_not_fit_is_refused_and_nothing_is_kept(federation: Federation, case: Case) -> None:
    played = federation.silos[0]
    order = Order.objects.get(silo=played.silo)
    size_bytes = len(case.named) if case.named_size_bytes is None else case.named_size_bytes
    named = {"kind": "update.f32", "digest": digest_bytes(case.named), "size_bytes": size_bytes}
    document = played.train(order, 1.0, payloads={"update": named})
    Upload.objects.all().delete()  # what the helper has uploaded by itself
    for data in (MINE, OTHER):  # both are in the store: others have brought them
        if data != case.inline:
            store.put_bytes(data, digest_bytes(data))
    if case.uploaded is not None:
        Upload.objects.create(
            order=order,
            name="update",
            digest=digest_bytes(case.uploaded),
            size_bytes=len(case.uploaded),
            begun_at=timezone.now(),
            finished_at=timezone.now() if case.is_finished else None,
        )
    came = {} if case.inline is None else {case.inline_name: case.inline}
    with pytest.raises(FederationError) as refused:
        answers.answer(document=document, by=played.silo, payloads=came)
    assert refused.value.code == case.code
    assert not Submission.objects.exists()
    assert case.inline is None or store.size_bytes(digest_bytes(case.inline)) is None
