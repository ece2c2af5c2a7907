"""The platform that pages are measured on: what the command makes is whole, and looks like work that silos did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from accounts.models import User
from benchmarks.addresses import NOT_MEASURED, STRANGERS, paths
from benchmarks.management.commands.bench_seed import Command
from benchmarks.pages import DECLARATION, QUERIES_MAX
from consortia.models import Consortium
from tests.support.every import every
from training.models import Evaluation, Job, Order, Round
from training.transitions import JobState, OrderState

pytestmark = pytest.mark.django_db
SMALL = {"consortia": 3, "jobs": 8, "rounds": 30, "silos": 6}
GIVEN = {"IntConverter": 1, "UUIDConverter": UUID(int=0), "StringConverter": "none"}


def seed(**size: int) -> dict[str, Any]:
    """Run it and read what it prints."""
    reported = StringIO()
    call_command(Command(), DECLARATION, stdout=reported, **{**SMALL, **size})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the benchmark does: with figures of empty tables, nested loops take minutes
    found: dict[str, Any] = json.loads(reported.getvalue())
    return found


def addresses(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    """Every address of the web application that has a name; the REST API is measured elsewhere."""
    for one in (resolver or get_resolver()).url_patterns:
        if isinstance(one, URLPattern):
            yield one
        elif not str(one.pattern).startswith("api/"):
            yield from addresses(one)


def test_every_page_answers_and_asks_few_questions(settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    ids = seed(jobs=60, rounds=60, silos=20, consortia=8)
    reader = Client()
    reader.force_login(User.objects.get(id=ids["user"]))
    reader.get("/")
    wrong = {}
    for name, path in paths(ids).items():
        with CaptureQueriesContext(connection) as asked:
            answer = (Client() if name in STRANGERS else reader).get(path)
            if answer.streaming:
                answer.getvalue()
        if answer.status_code != 200 or len(asked) >= QUERIES_MAX:
            wrong[name] = (answer.status_code, len(asked))
    assert not wrong


def test_every_page_is_measured_or_said_why_not(settings: Any) -> None:
    """What is in neither list must not answer GET."""
    settings.PUBLIC_URL = "http://localhost"
    ids = seed()
    reader = Client()
    reader.force_login(User.objects.get(id=ids["user"]))
    measured = {resolve(path.partition("?")[0]).route for path in paths(ids).values()}
    unknown = []
    for one in addresses():
        given = {name: GIVEN[type(converter).__name__] for name, converter in one.pattern.converters.items()}
        if one.name in NOT_MEASURED:
            continue
        path = reverse(str(one.name), kwargs=given)
        if resolve(path).route not in measured and reader.get(path).status_code != 405:
            unknown.append(one.name)
    assert not unknown
    assert set(NOT_MEASURED) <= {one.name for one in addresses()}


def test_seed_command_makes_the_rows_it_reports(settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    ids = seed()
    assert (Consortium.objects.count(), Job.objects.count()) == (3, 8 + 1)
    released = Job.objects.get(id=ids["statistics"])
    assert (released.state, released.released_statistics.pooled.silos) == (JobState.COMPLETED, 6)
    job = Job.objects.get(id=ids["job"])
    assert (job.state, job.rounds.count(), job.cohort_members.count()) == (JobState.RUNNING, 30, 6)
    assert job.created_at < Round.objects.filter(job=job).order_by("opened_at")[0].opened_at
    orders = Order.objects.filter(step__round__job=job)
    assert orders.count() == 30 * 6
    assert Evaluation.objects.filter(order__in=orders).count() == orders.filter(state=OrderState.APPLIED).count()
    for one in every(orders.select_related("submission", "step")):
        assert OrderState(one.state)
        assert one.round_step.deadline_at == one.expires_at
        if one.answered_at is not None:
            assert set(one.submission.phases_s) == {"load", "evaluate", "train"}


def test_seed_command_fills_only_an_empty_local_platform(settings: Any) -> None:
    with pytest.raises(CommandError, match="loopback"):
        seed()
    settings.PUBLIC_URL = "http://localhost"
    seed()
    with pytest.raises(CommandError, match="already"):
        seed()
