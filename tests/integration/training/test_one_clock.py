"""One clock, the database's: a process whose own clock is days ahead ends nothing before its time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit import chaining, checkpoints
from evidence.audit_checkpoints import issue_orders
from silos.models import Silo
from tests.support.federation import TEST, Federation, make_federation
from training.engine import issuing, start, sweep
from training.engine.uploads import OrderUploads
from training.launch.actions import launch
from training.models import Order
from training.transitions import OUTSTANDING

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets this process's clock three days ahead."""
    real = timezone.now
    return lambda: monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(days=3))


def test_an_upload_in_time_is_taken(federation: Federation, ahead: Any) -> None:
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    order = Order.objects.filter(step__round__job=job).latest("number")
    ahead()
    claimed = OrderUploads().claim(order.id, "update", DIGEST, 100)
    assert claimed.size_bytes == 100
    begun = order.uploads.get().begun_at
    assert begun < timezone.now() - timedelta(days=2)


def test_an_upload_after_its_time_is_refused(federation: Federation) -> None:
    from realtime.http import Refused

    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    order = Order.objects.filter(step__round__job=job).latest("number")
    Order.objects.filter(id=order.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        OrderUploads().claim(order.id, "update", DIGEST, 100)
    assert refused.value.status == 409


def test_a_silo_that_was_just_seen_is_not_silent(federation: Federation, ahead: Any) -> None:
    Silo.objects.update(last_seen_at=timezone.now())
    ahead()
    assert sweep.note_silent_silos(by=TEST) == 0
    Silo.objects.update(last_seen_at=timezone.now() - timedelta(days=6))
    assert sweep.note_silent_silos(by=TEST) == len(federation.silos)


def test_an_order_to_countersign_holds_its_day(federation: Federation, ahead: Any) -> None:
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    assert issue_orders(issuing.signing_key()) == len(federation.silos)
    ahead()
    assert issue_orders(issuing.signing_key()) == 0, "each has an open order"
    assert Order.objects.filter(kind="checkpoint", state__in=OUTSTANDING).count() == len(federation.silos)
    Order.objects.filter(kind="checkpoint").update(issued_at=timezone.now() - timedelta(days=9))
    Order.objects.filter(kind="checkpoint").update(expires_at=timezone.now() - timedelta(days=6))
    assert issue_orders(issuing.signing_key()) == len(federation.silos)
    newest = Order.objects.filter(kind="checkpoint", state__in=OUTSTANDING).latest("number")
    assert newest.issued_at < timezone.now() - timedelta(days=2)
