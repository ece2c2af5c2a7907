"""Every endpoint of silos, datasets, jobs and models, asked the same questions.

Does it work for who may; is a stranger asked to sign in (401), somebody without the role refused (403), somebody of
another consortium answered that there is nothing (404); is a wrong method refused (405); does a token need its
scope; is what changed recorded, once, in the name of who did it?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from accounts.models import Scope
from audit import chaining, checkpoints
from silos import datasets
from silos.models import Dataset, Silo
from tests.support import doors
from tests.support.cohort import Cohort, last_version, make_cohort, model_of, present, run_job
from tests.support.federation import TEST, registration
from training.engine import control, issuing
from training.models import Job

pytestmark = pytest.mark.django_db

READERS = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
APPS = {"silos", "registry", "training", "evidence"}
Body = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """The cohort, and what requests are about."""

    cohort: Cohort
    job: Job
    running: Job
    paused: Job
    presented: Silo
    withdrawn: Dataset
    grown: Dataset


@pytest.fixture(scope="module")
def scene(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Made once, in a transaction around all tests of this file; each test is a savepoint within it."""
    blobs = tmp_path_factory.mktemp("blobs")
    with django_db_blocker.unblock(), override_settings(BLOB_ROOT=blobs), transaction.atomic():
        cohort = make_cohort()
        paused = control.pause(job=run_job(cohort, rounds_answered=0), by=TEST)
        other = registration(cohort.federation.silos[0], name="other", title="Other")
        withdrawn = datasets.register(registration=other, by=cohort.silo)
        datasets.withdraw(dataset=withdrawn, by=cohort.steward)
        for rows in (300, 3000):
            large = registration(cohort.federation.silos[0], rows, name="large", title="Large")
            grown = datasets.register(registration=large, by=cohort.silo)
        made = Scene(
            cohort,
            job=run_job(cohort, rounds=1),
            running=run_job(cohort, rounds_answered=0),
            paused=paused,
            presented=present(cohort),
            withdrawn=withdrawn,
            grown=grown,
        )
        chaining.chain_new()
        checkpoints.sign_heads(issuing.signing_key())
        yield made
        transaction.set_rollback(True)


def fingerprint_of(scene: Scene) -> Body:
    """What its site reads out."""
    assert scene.presented.identity is not None
    return {"identity_fingerprint": scene.presented.identity.fingerprint}


def launch_body(scene: Scene) -> Body:
    """A job over all silos."""
    federation = scene.cohort.federation
    return {"consortium": str(federation.consortium.id), **federation.request()}


@dataclass(frozen=True)
class Door:
    """One method at one address: who may, who may not, to whom it does not exist, and the event that it writes."""

    name: str
    method: str
    path: Callable[[Scene], str]
    scope: Scope
    may: tuple[str, ...] = READERS
    forbidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = OUT
    body: Callable[[Scene], Body] | None = None
    status: int = 200
    verb: str = ""
    session_only: bool = False
    """Whether it is an act of a session with a fresh factor, which no token does."""

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    def of(self, scene: Scene) -> doors.Ask:
        """Its answers."""
        path, body = self.path(scene), self.body(scene) if self.body else None
        return lambda client, method: getattr(client, method)(f"/api/v1/{path}", body, format="json")


STEERERS = ("scientist", "administrator")
NO_STEERERS = ("platform_admin", "steward", "it", "neighbour")
DOORS = [
    Door("api-silos", "get", lambda s: "silos/", Scope.SILOS_READ, may=(*READERS, *OUT), absent=()),
    Door(
        "api-silos",
        "post",
        lambda s: "silos/",
        Scope.SILOS_WRITE,
        may=("it", "administrator"),
        forbidden=("steward", "scientist", "platform_admin"),
        absent=("neighbour", *OUT),
        body=lambda s: {"organisation": str(s.cohort.silo.organisation_id), "name": "another"},
        status=201,
        verb="silo.created",
    ),
    Door("api-silo", "get", lambda s: f"silos/{s.cohort.silo.id}/", Scope.SILOS_READ),
    Door(
        "api-enrolment-codes",
        "post",
        lambda s: f"silos/{s.cohort.silo.id}/enrolment-codes/",
        Scope.SILOS_WRITE,
        may=("it", "administrator"),
        forbidden=("steward", "scientist", "platform_admin", "neighbour"),
        status=201,
        verb="silo.code_issued",
    ),
    Door(
        "api-silo-confirm",
        "post",
        lambda s: f"silos/{s.presented.id}/confirm/",
        Scope.SILOS_WRITE,
        may=("administrator",),
        forbidden=("it", "steward", "scientist", "platform_admin", "neighbour"),
        body=fingerprint_of,
        verb="silo.confirmed",
        session_only=True,
    ),
    Door(
        "api-silo-revoke",
        "post",
        lambda s: f"silos/{s.cohort.silo.id}/revoke/",
        Scope.SILOS_WRITE,
        may=("administrator", "steward", "it"),
        forbidden=("scientist", "platform_admin", "neighbour"),
        verb="silo.revoked",
    ),
    Door("api-absences", "get", lambda s: "absences/", Scope.JOBS_READ, may=(*READERS, *OUT), absent=()),
    Door("api-datasets", "get", lambda s: "datasets/", Scope.DATASETS_READ, may=(*READERS, *OUT), absent=()),
    Door("api-dataset", "get", lambda s: f"datasets/{s.cohort.dataset.id}/", Scope.DATASETS_READ),
    Door(
        "api-dataset-withdraw",
        "post",
        lambda s: f"datasets/{s.cohort.dataset.id}/withdraw/",
        Scope.DATASETS_WRITE,
        may=("administrator", "steward"),
        forbidden=("it", "scientist", "platform_admin", "neighbour"),
        verb="dataset.withdrawn",
    ),
    Door(
        "api-dataset-offer",
        "post",
        lambda s: f"datasets/{s.withdrawn.id}/offer/",
        Scope.DATASETS_WRITE,
        may=("administrator", "steward"),
        forbidden=("it", "scientist", "platform_admin", "neighbour"),
        verb="dataset.offered",
    ),
    Door(
        "api-dataset-rows",
        "post",
        lambda s: f"datasets/{s.grown.id}/rows/",
        Scope.DATASETS_WRITE,
        may=("steward",),
        forbidden=("administrator", "it", "scientist", "platform_admin", "neighbour"),
        body=lambda s: {"rows_coarse": 3000},
        verb="dataset.rows_confirmed",
    ),
    Door("api-jobs", "get", lambda s: "jobs/", Scope.JOBS_READ, may=(*READERS, *OUT), absent=()),
    Door(
        "api-jobs",
        "post",
        lambda s: "jobs/",
        Scope.JOBS_WRITE,
        may=("scientist",),
        forbidden=("platform_admin", "administrator", "steward", "it", "neighbour"),
        body=launch_body,
        status=201,
        verb="job.launched",
    ),
    Door(
        "api-job-quote",
        "post",
        lambda s: "jobs/quote/",
        Scope.JOBS_READ,
        may=("scientist",),
        forbidden=("platform_admin", "administrator", "steward", "it", "neighbour"),
        body=launch_body,
    ),
    Door("api-job", "get", lambda s: f"jobs/{s.job.id}/", Scope.JOBS_READ),
    Door(
        "api-job-pause",
        "post",
        lambda s: f"jobs/{s.running.id}/pause/",
        Scope.JOBS_WRITE,
        verb="job.paused",
        may=STEERERS,
        forbidden=NO_STEERERS,
    ),
    Door(
        "api-job-resume",
        "post",
        lambda s: f"jobs/{s.paused.id}/resume/",
        Scope.JOBS_WRITE,
        verb="job.running",
        may=STEERERS,
        forbidden=NO_STEERERS,
    ),
    Door(
        "api-job-cancel",
        "post",
        lambda s: f"jobs/{s.running.id}/cancel/",
        Scope.JOBS_WRITE,
        verb="job.cancelled",
        may=STEERERS,
        forbidden=NO_STEERERS,
    ),
    Door("api-job-rounds", "get", lambda s: f"jobs/{s.job.id}/rounds/", Scope.JOBS_READ),
    Door("api-job-metrics", "get", lambda s: f"jobs/{s.job.id}/metrics/", Scope.JOBS_READ),
    Door(  # a job that trains has released none: tests/integration/training/test_statistics_shown.py has one that has
        "api-job-statistics", "get", lambda s: f"jobs/{s.job.id}/statistics/", Scope.JOBS_READ, status=404
    ),
    Door("api-job-manifest", "get", lambda s: f"jobs/{s.job.id}/manifest/", Scope.JOBS_READ),
    Door(
        "api-job-evidence",
        "get",
        lambda s: f"jobs/{s.job.id}/evidence/",
        Scope.JOBS_READ,
        may=("administrator", "steward", "platform_admin", "neighbour"),
        forbidden=("scientist", "it"),
    ),
    Door("api-job-events", "get", lambda s: f"jobs/{s.job.id}/events/", Scope.JOBS_READ),
    Door("api-model-families", "get", lambda s: "model-families/", Scope.JOBS_READ, may=("scientist", *OUT), absent=()),
    Door("api-strategies", "get", lambda s: "strategies/", Scope.JOBS_READ, may=("scientist", *OUT), absent=()),
    Door("api-models", "get", lambda s: "models/", Scope.MODELS_READ, may=(*READERS, *OUT), absent=()),
    Door("api-model", "get", lambda s: f"models/{model_of(s.job).id}/", Scope.MODELS_READ),
    Door("api-model-versions", "get", lambda s: f"models/{model_of(s.job).id}/versions/", Scope.MODELS_READ),
    Door("api-model-version", "get", lambda s: f"model-versions/{last_version(s.job).id}/", Scope.MODELS_READ),
    Door(
        "api-model-version-card", "get", lambda s: f"model-versions/{last_version(s.job).id}/card/", Scope.MODELS_READ
    ),
    Door(  # nobody has signed one in the scene: tests/integration/evidence/test_passports.py has those that are
        "api-model-version-passport",
        "get",
        lambda s: f"model-versions/{last_version(s.job).id}/passport/",
        Scope.MODELS_READ,
        status=409,
    ),
    Door(
        "api-model-version-download",
        "get",
        lambda s: f"model-versions/{last_version(s.job).id}/download/",
        Scope.MODELS_READ,
        may=("scientist", "administrator"),
        forbidden=("platform_admin", "steward", "it", "neighbour"),
        verb="model.downloaded",
    ),
    Door(  # the agreement of the scene asks nobody: tests/integration/registry/test_release.py has one that does
        "api-model-version-release",
        "post",
        lambda s: f"model-versions/{last_version(s.job).id}/release/",
        Scope.AGREEMENTS_WRITE,
        may=("steward",),
        forbidden=("scientist", "administrator", "platform_admin", "it", "neighbour"),
        status=409,
    ),
]


def let_go(answer: Any) -> None:
    """Close what an answer that streams has open. (Its own `close` ends the request, and with it the connection.)"""
    for close in answer._resource_closers:
        close()


@pytest.mark.parametrize(("door", "who"), doors.with_who_may(DOORS))
def test_each_endpoint_works_for_who_may(scene: Scene, door: Door, who: str) -> None:
    let_go(doors.check_it_works(door, door.of(scene), getattr(scene.cohort, who), writes_more=True))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_is_closed_to_everybody_else(scene: Scene, door: Door) -> None:
    doors.check_it_is_closed(door, door.of(scene), lambda who: getattr(scene.cohort, who))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_token_needs_its_scope(scene: Scene, door: Door) -> None:
    who = getattr(scene.cohort, door.may[0])
    for answer in doors.check_a_token_needs_its_scope(
        door, door.scope, door.of(scene), who, session_only=door.session_only
    ):
        let_go(answer)


def test_no_endpoint_is_left_out() -> None:
    doors.check_none_is_forgotten(DOORS, *APPS)
