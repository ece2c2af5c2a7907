"""What is deleted is needed by nobody, no matter who begins to need it at the same moment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from artefacts import store
from federation.errors import FederationError
from federation.protocol.digests import digest_bytes
from registry.models import Model, ModelVersion, ReleaseConfirmation
from tests.support.cohort import Cohort, make_cohort, model_of, run_job
from tests.support.federation import TEST
from tests.support.patience import FAILS_AFTER_S
from training.engine import housekeeping, start
from training.engine.sql import housekeeping as statements
from training.launch.actions import launch
from training.models import Job, Payload, Submission, Upload
from training.transitions import OrderState

A_WHILE_S = 1.0
"""So long the other side has for getting in the way; nothing fails where it is too short."""
pytestmark = pytest.mark.django_db(transaction=True)
DATA = b"the same bytes from two sides"
DIGEST = digest_bytes(DATA)


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort()


@pytest.fixture(autouse=True)
def few_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "VERSIONS_KEPT", 1)


def beside(work: Callable[[], object]) -> tuple[Thread, list[str]]:
    """Do it in a thread and a connection of its own: the thread, and what becomes of it (the code of its error)."""
    came_of: list[str] = []

    def run() -> None:
        try:
            work()
            came_of.append("")
        except FederationError as error:
            came_of.append(error.code)
        finally:
            connections.close_all()

    thread = Thread(target=run)
    thread.start()
    return thread, came_of


def make_old(digest: str) -> None:
    long_ago_s = time.time() - 2 * housekeeping.ABANDONED_FILES_S
    os.utime(store.path_of(digest), (long_ago_s, long_ago_s))


def kept_rounds(model: Model) -> list[int]:
    return list(model.versions.filter(pruned_at=None).order_by("round_number").values_list("round_number", flat=True))


def evaluation_of(cohort: Cohort, version: ModelVersion) -> Job:
    federation = cohort.federation
    asked = federation.request(task="evaluate", model_version=str(version.id))
    for name in ("model", "strategy", "rounds"):
        asked.pop(name, None)
    return launch(consortium=federation.consortium, request=asked, by=cohort.scientist)


# --- files ------------------------------------------------------------------------------------------------------


def test_a_blob_that_is_put_while_an_equal_one_is_deleted_is_there(
    blob_root: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put between the check whether anybody needs it and the deletion."""
    store.release(store.put_bytes(DATA, DIGEST))
    make_old(DIGEST)
    needed, looked, put = housekeeping.needed, Flag(), Flag()

    def slowly(digests: Collection[str]) -> set[str]:
        found = needed(digests)
        looked.set()
        put.wait(A_WHILE_S)  # where it has to wait for the deletion it can't come before it
        return found

    def put_it() -> None:
        assert looked.wait(FAILS_AFTER_S)
        store.put_bytes(DATA, DIGEST)
        put.set()

    monkeypatch.setattr(housekeeping, "needed", slowly)
    thread, _ = beside(put_it)
    housekeeping.delete_orphaned_files()
    thread.join()
    assert put.is_set()
    assert store.read_small(DIGEST, 100) == DATA


def test_what_is_put_before_its_row_stays_until_the_row_is_there(blob_root: Path, transactional_db: None) -> None:
    marks = [store.put_bytes(DATA, DIGEST) for _ in range(2)]
    store.release(marks[0])  # whose row is gone again, say; the other's is still to come
    assert store.remove_unneeded({DIGEST}, housekeeping.needed) == 0
    assert store.size_bytes(DIGEST) == len(DATA)
    store.release(marks[1])
    assert store.remove_unneeded({DIGEST}, housekeeping.needed) == 1
    assert store.size_bytes(DIGEST) is None


def test_the_mark_of_who_died_protects_nothing_for_ever(blob_root: Path, transactional_db: None) -> None:
    mark = store.put_bytes(DATA, DIGEST)
    assert mark is not None
    long_ago_s = time.time() - 2 * store.PUT_WITHIN_S
    os.utime(mark, (long_ago_s, long_ago_s))
    assert store.remove_unneeded({DIGEST}, housekeeping.needed) == 1
    assert not mark.exists()


def test_a_job_leaves_no_marks(cohort: Cohort) -> None:
    run_job(cohort, rounds=2)
    puts = Path(store.path_of(DIGEST).parents[2] / "puts")
    assert puts.is_dir()
    assert list(puts.iterdir()) == []


def test_a_pruned_version_s_file_stays_where_an_update_has_the_same_bytes(cohort: Cohort) -> None:
    job = run_job(cohort, rounds=3, rounds_answered=2)
    version = model_of(job).versions.get(round_number=1)
    order = cohort.federation.silos[0].silo.orders.latest("number")
    Upload.objects.create(
        order=order, name="update", digest=version.digest, size_bytes=version.size_bytes, begun_at=timezone.now()
    )
    ModelVersion.objects.filter(id=version.id).update(is_best=False)
    housekeeping.prune_models(by=TEST)
    version.refresh_from_db()
    assert version.pruned_at is not None
    assert store.size_bytes(version.digest) == version.size_bytes


# --- versions ---------------------------------------------------------------------------------------------------


def test_versions_that_somebody_needs_are_not_pruned(cohort: Cohort) -> None:
    model = model_of(run_job(cohort, rounds=5))
    model.versions.update(is_best=False)
    evaluation_of(cohort, model.versions.get(round_number=1))
    ReleaseConfirmation.objects.create(
        version=model.versions.get(round_number=3), organisation=cohort.silo.organisation, by=cohort.scientist
    )
    assert housekeeping.prune_models(by=TEST) == 2
    assert kept_rounds(model) == [0, 1, 3, 5]
    Job.objects.filter(task="evaluate").update(state="cancelled", ended_at=model.created_at)
    assert housekeeping.prune_models(by=TEST) == 1
    assert kept_rounds(model) == [0, 3, 5]


def test_what_an_open_round_starts_from_is_not_pruned(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "VERSIONS_KEPT", 0)
    model = model_of(run_job(cohort, rounds=4, rounds_answered=2))
    model.versions.update(is_best=False)
    assert housekeeping.prune_models(by=TEST) == 1
    assert kept_rounds(model) == [0, 2]


def test_a_version_that_is_being_launched_on_is_passed_over(cohort: Cohort) -> None:
    model = model_of(run_job(cohort, rounds=3))
    model.versions.update(is_best=False)
    with transaction.atomic():
        job = evaluation_of(cohort, model.versions.get(round_number=1))
        thread, came_of = beside(lambda: housekeeping.prune_models(by=TEST))
        thread.join(FAILS_AFTER_S)
        assert came_of == [""]
    assert kept_rounds(model) == [0, 1, 3]
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert job.state == "running"


def test_a_launch_on_a_version_that_is_being_pruned_is_informed(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(run_job(cohort, rounds=3))
    model.versions.update(is_best=False)
    version, needed = model.versions.get(round_number=1), statements.needed_versions
    threads: list[tuple[Thread, list[str]]] = []

    def meanwhile(ids: Collection[Any]) -> set[Any]:
        if not threads:  # the rows are locked, and nobody needs them
            found = needed(ids)
            threads.append(beside(lambda: evaluation_of(cohort, version)))
            threads[0][0].join(A_WHILE_S)  # it waits for the row, or has not come so far
            return found
        return needed(ids)

    monkeypatch.setattr(statements, "needed_versions", meanwhile)
    assert housekeeping.prune_models(by=TEST) == 2
    ((thread, came_of),) = threads
    thread.join(FAILS_AFTER_S)
    assert came_of == ["model.pruned"]
    assert not Job.objects.filter(task="evaluate").exists()


def test_pruning_asks_once_for_all_models(
    cohort: Cohort, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "VERSIONS_KEPT", 20)
    model = model_of(run_job(cohort, rounds=1))
    for number in range(100):
        Model.objects.create(
            consortium=model.consortium,
            name=f"m{number}",
            specification={},
            layout=[],
            n_features=1,
            n_classes=2,
            preprocessing={},
            rounds_planned=1,
        )
    with django_assert_num_queries(0):  # of the ORM: the one statement of SQL is prepared
        assert housekeeping.prune_models(by=TEST) == 0


def test_a_blob_whose_row_is_committed_while_it_is_judged_stays(blob_root: Path) -> None:
    data = b"a model"
    digest = digest_bytes(data)
    mark = store.put_bytes(data, digest)
    rows: set[str] = set()

    def needed(digests: Collection[str]) -> set[str]:
        found = rows & set(digests)
        rows.add(digest)  # right after the statement the one who put it commits its row, and lets go
        store.release(mark)
        return found

    store.remove_unneeded({digest}, needed)
    assert store.size_bytes(digest) is not None


def test_an_update_that_is_submitted_while_it_is_judged_is_needed(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    order = cohort.federation.silos[0].silo.orders.latest("number")
    digest = digest_bytes(b"an update")
    Upload.objects.create(
        order=order, name="update", digest=digest, size_bytes=9, begun_at=timezone.now(), finished_at=timezone.now()
    )
    assert housekeeping.needed({digest}) == {digest}
    done: list[bool] = []

    def answered_before_uploads_are_asked(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "training_upload"' in statement and not done:
            done.append(True)
            Submission.objects.create(  # with the order's state one transaction, as `sql.orders.submit`
                order=order,
                document=b"",
                document_digest="",
                connector_version="0",
                received_at=timezone.now(),
            )
            Payload.objects.create(order=order, name="update", kind="update.f32", digest=digest, size_bytes=9)
            type(order).objects.filter(id=order.id).move(OrderState.SUBMITTED, answered_at=timezone.now())
        return execute(statement, params, many, context)

    with connection.execute_wrapper(answered_before_uploads_are_asked):
        found = housekeeping.needed({digest})
    assert job.id
    assert done
    assert found == {digest}
