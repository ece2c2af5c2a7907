"""Orders of the audit log push a silo's trainings out of the newest six by which its usual time is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from audit import chaining, checkpoints
from audit.models import Checkpoint
from federation.protocol.documents import OrderKind
from tests.support.cohort import Cohort, make_cohort, run_job
from training.engine import issuing
from training.launch.pace import usual_s
from training.models import Order

pytestmark = pytest.mark.django_db


def test_countersignatures_hide_no_silo_s_pace(blob_root: Path) -> None:
    cohort: Cohort = make_cohort()
    run_job(cohort, rounds=2)
    silo = cohort.silo
    assert usual_s([silo.id], OrderKind.TRAIN) is not None
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    head = Checkpoint.objects.latest("position")
    number = silo.orders.latest("number").number
    for more in range(1, 7):
        Order.objects.create(
            kind="checkpoint",
            silo=silo,
            audit_checkpoint=head,
            number=number + more,
            state="submitted",
            envelope=b"",
            issued_at=timezone.now(),
            expires_at=timezone.now(),
            answered_at=timezone.now(),
        )
    assert usual_s([silo.id], OrderKind.TRAIN) is not None
