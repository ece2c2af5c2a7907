"""Orders with parameters: those that the kind knows are signed, and no other ones."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from silos.models import Silo
from tests.support.every import every
from tests.support.federation import TEST, capabilities, make_federation
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import JobState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


def begin(monkeypatch: pytest.MonkeyPatch, parameters: Mapping[str, Any]) -> Job:
    """A job whose first step is of a kind of order that has these parameters."""
    add_parts(monkeypatch, OF_THE_PLATFORM)
    words = import_module("training.engine.kinds.words")
    issue = words.Words.issue
    monkeypatch.setattr(words.Words, "issue", lambda *given: {**issue(*given), "parameters": dict(parameters)})
    federation = make_federation(agreed=False)
    can = capabilities(protection=["clear", "greeted"], payloads=["masked.u32", "words.ascii"])
    Silo.objects.update(capabilities=can)
    federation.agree(protection=("greeted",), clear_reason="They greet.")
    asked = federation.request(rounds=1, protection={"mode": "greeted", "language": "en"})
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    return job


def test_orders_are_signed_with_the_parameters_that_their_kind_knows(
    monkeypatch: pytest.MonkeyPatch, blob_root: Path
) -> None:
    job = begin(monkeypatch, {"tone": "low"})
    for order in every(Order.objects.filter(step__round__job=job)):
        document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
        assert document.parameters == {"tone": "low"}
    assert Order.objects.count() == 3


def test_no_order_is_signed_with_a_parameter_that_its_kind_does_not_know(
    monkeypatch: pytest.MonkeyPatch, blob_root: Path
) -> None:
    job = begin(monkeypatch, {"tone": "low", "pitch": "high"})
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.FAILED, "order.parameters")
    assert not Order.objects.exists()
