"""A silo whose answer was rejected unread sends a refusal after it: it stands in the bundle as the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation.protocol.documents import DisclosureTerms, Environment
from tests.integration.evidence.test_evidence import UNEVEN, WITHOUT_NETWORK, everybody_signs_in, report_of
from tests.support.every import every
from tests.support.federation import TEST, make_federation
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Order, RefusalDocument
from training.transitions import OUTSTANDING, OrderState

pytestmark = pytest.mark.django_db


def test_no_silo_spoils_a_job_s_evidence_by_a_refusal_after_its_answer(blob_root: Path) -> None:
    federation = make_federation(agreed=False)
    federation.agree(
        disclosure=DisclosureTerms(metrics=("loss", "accuracy"), minimum_cell=5), training_limits=WITHOUT_NETWORK
    )
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    spoilt: list[Order] = []
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING).order_by("silo_id")):
        for order in every(orders):
            played = federation.played(order.silo_id)
            says: dict[str, Any] = {"environment": Environment(connector_version="test", network="none")}
            says["evaluation"] = UNEVEN[federation.silos.index(played)]
            if not spoilt:
                spoilt.append(order)
                document = played.train(order, 9.0, **(says | {"rows": 305}))
                assert answers.answer(document=document, by=played.silo).state == OrderState.REJECTED
                answers.answer(document=played.refuse(order), by=played.silo)
            else:
                answers.answer(document=played.train(order, 1.0, **says), by=played.silo)
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    everybody_signs_in(federation)
    job.refresh_from_db()
    report = report_of(job)
    assert (report.holds, report.faults) == (True, [])
    assert not RefusalDocument.objects.filter(order=spoilt[0]).exists()
