"""The platform that pages are measured on: what the command makes is whole, and looks like work that silos did."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from benchmarks.pages import DECLARATION, paths
from consortia.models import Consortium
from training.models import Evaluation, Job, Order, Round
from training.transitions import JobState, OrderState

pytestmark = pytest.mark.django_db


def seed(**changes: Any) -> dict[str, Any]:
    """Run it, small, and read what it prints."""
    told = StringIO()
    call_command("bench_seed", DECLARATION, consortia=3, jobs=8, rounds=30, silos=6, stdout=told, **changes)
    found: dict[str, Any] = json.loads(told.getvalue())
    return found


def test_every_page_of_the_benchmark_answers(settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    ids = seed()
    client = Client()
    client.force_login(User.objects.get(id=ids["user"]))
    for name, path in paths(ids).items():
        wanted = path.replace("rounds/250/", "rounds/25/")
        assert client.get(wanted).status_code == 200, name


def test_it_makes_what_it_says(settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    ids = seed()
    assert (Consortium.objects.count(), Job.objects.count()) == (3, 8)
    job = Job.objects.get(id=ids["job"])
    assert (job.state, job.rounds.count(), job.seats.count()) == (JobState.RUNNING, 30, 6)
    assert job.created_at < Round.objects.filter(job=job).order_by("opened_at")[0].opened_at
    orders = Order.objects.filter(step__round__job=job)
    assert orders.count() == 30 * 6
    assert Evaluation.objects.filter(order__in=orders).count() == orders.filter(state=OrderState.APPLIED).count()


def test_it_fills_an_empty_platform_on_this_machine_only(settings: Any) -> None:
    with pytest.raises(CommandError, match="loopback"):
        seed()
    settings.PUBLIC_URL = "http://localhost"
    seed()
    with pytest.raises(CommandError, match="already"):
        seed()
