"""What the web process streams, over real HTTP: a job's events as they happen, a model's weights."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import ApiToken, OrganisationRole, Scope, User
from accounts.tokens import issue_token
from audit.models import Event
from tests.support.cohort import Cohort, browser, last_version, make_cohort, run_job
from tests.support.every import every
from tests.support.live_platform import Client, serving
from tests.support.patience import FAILS_AFTER_S, until
from training.engine import control

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort()


def session(user: User) -> dict[str, str]:
    """The cookie of somebody's browser."""
    signed_in: Browser = browser(user)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={signed_in.cookies[settings.SESSION_COOKIE_NAME].value}"}


def bearer(user: User, *scopes: str) -> dict[str, str]:
    """A token of theirs."""
    _, secret = issue_token(user=user, name="t", scopes=scopes, lifetime=timedelta(days=1), by=user)
    return {"Authorization": f"Bearer {secret}"}


class Stream:
    """Somebody who follows a job."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=FAILS_AFTER_S)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
        self.response = self.connection.getresponse()

    def next(self) -> dict[str, str]:
        """The next event, by its fields; comments are passed over."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode()
            assert line, "the stream has ended"
            if line == "\n" and fields:
                return fields
            name, _, value = line.strip().partition(": ")
            if name:
                fields[name] = value

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self.connection.close()


@pytest.fixture
def streams() -> Iterator[list[Stream]]:
    opened: list[Stream] = []
    yield opened
    for stream in opened:
        stream.close()


def test_events_come_as_they_happen_until_the_job_has_ended(port: int, cohort: Cohort, streams: list[Stream]) -> None:
    job = run_job(cohort, rounds_answered=0)
    path = f"/api/v1/jobs/{job.id}/events/"
    for headers in (session(cohort.neighbour), bearer(cohort.scientist, Scope.JOBS_READ)):
        streams.append(Stream(port, path, headers))
    for stream in every(streams):
        assert stream.response.status == 200
        assert [stream.next()["event"] for _ in range(3)] == ["job.launched", "job.running", "round.opened"]
    later = threading.Timer(0.3, lambda: control.cancel(job=job, by=cohort.scientist))
    later.start()
    for stream in every(streams):
        reported = stream.next()
        assert reported["event"] == "job.cancelled"
        assert json.loads(reported["data"])["actor"] == "Dana Data"
        assert stream.next()["event"] == "round.abandoned"
        assert stream.next()["event"] == "end"
        assert stream.response.read() == b""
    later.join()


def test_a_follower_that_comes_back_misses_nothing(port: int, cohort: Cohort, streams: list[Stream]) -> None:
    job = run_job(cohort, rounds=1)
    path = f"/api/v1/jobs/{job.id}/events/"
    first = Event.objects.filter(job_id=job.id).order_by("id")[1]
    again = {**session(cohort.scientist), "Last-Event-ID": str(first.id)}
    streams.append(Stream(port, path, again))
    streams.append(Stream(port, f"{path}?after={first.id}", session(cohort.scientist)))
    for stream in every(streams):
        assert int(stream.next()["id"]) > first.id


@pytest.mark.parametrize("case", ["stranger", "token", "scope", "elsewhere", "absent", "cookie", "method"])
def test_who_may_not_follow_is_informed(port: int, cohort: Cohort, case: str) -> None:
    job = run_job(cohort, rounds_answered=0)
    path = f"/api/v1/jobs/{job.id}/events/"
    absent = path.replace(str(job.id), "00000000-0000-4000-8000-000000000000")
    asked: dict[str, tuple[str, str, dict[str, str], int, str]] = {
        "stranger": ("GET", path, {}, 401, "authentication.required"),
        "token": ("GET", path, {"Authorization": "Bearer cns_none"}, 401, "token.unknown"),
        "scope": ("GET", path, bearer(cohort.scientist, Scope.MODELS_READ), 403, "scope.missing"),
        "elsewhere": ("GET", path, session(cohort.outsider), 404, "job.not_found"),
        "absent": ("GET", absent, session(cohort.scientist), 404, "job.not_found"),
        "cookie": ("GET", path, {"Cookie": "sessionid=a\tb"}, 401, "authentication.required"),
        "method": ("POST", path, session(cohort.scientist), 405, "method.not_allowed"),
    }
    method, address, headers, status, code = asked[case]
    answer = Client(port).send(method, address, headers=headers)
    assert (answer.status, answer.code) == (status, code)


def test_a_deactivated_person_follows_no_more(port: int, cohort: Cohort) -> None:
    job, headers = run_job(cohort, rounds_answered=0), session(cohort.scientist)
    User.objects.filter(id=cohort.scientist.id).update(is_active=False)
    answer = Client(port).send("GET", f"/api/v1/jobs/{job.id}/events/", headers=headers)
    assert (answer.status, answer.code) == (401, "authentication.required")


def test_weights_are_streamed_whole_and_written_down(port: int, cohort: Cohort) -> None:
    version = last_version(run_job(cohort, rounds=1, model={"family": "mlp", "hidden": [2000, 500]}))
    path = f"/api/v1/model-versions/{version.id}/download/"
    answer: Any = Client(port).send("GET", path, headers=bearer(cohort.scientist, Scope.MODELS_READ))
    assert answer.status == 200
    assert len(answer.body) == version.size_bytes > 4_000_000
    assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == version.digest
    assert Event.objects.filter(verb="model.downloaded").count() == 1
    assert Client(port).send("HEAD", path, headers=session(cohort.scientist)).status == 405
    assert Event.objects.filter(verb="model.downloaded").count() == 1


def test_who_goes_away_in_the_middle_leaves_no_file_open(port: int, cohort: Cohort) -> None:
    version = last_version(run_job(cohort, rounds=1, model={"family": "mlp", "hidden": [4000, 500]}))
    held = set(Path("/proc/self/fd").iterdir())
    path, headers = f"/api/v1/model-versions/{version.id}/download/", bearer(cohort.scientist, Scope.MODELS_READ)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=FAILS_AFTER_S)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert len(response.read(1000)) == 1000
    response.close()
    connection.close()
    digest = version.digest.removeprefix("sha256:")
    until(
        f"the file is closed beside {len(held)} others",
        lambda: not any(digest in _target(handle) for handle in Path("/proc/self/fd").iterdir()),
    )


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except FileNotFoundError:
        return ""


def lose_role(cohort: Cohort) -> None:
    OrganisationRole.objects.filter(user=cohort.neighbour).delete()


def lose_session(cohort: Cohort) -> None:
    Session.objects.all().delete()


def lose_account(cohort: Cohort) -> None:
    User.objects.filter(id=cohort.neighbour.id).update(is_active=False)


def lose_token(cohort: Cohort) -> None:
    ApiToken.objects.update(revoked_at=timezone.now())


def expire_token(cohort: Cohort) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    ApiToken.objects.update(created_at=long_ago, expires_at=long_ago + timedelta(days=1))


LOST = [
    (lose_role, "session", "job.not_found"),
    (lose_role, "token", "job.not_found"),
    (lose_session, "session", "authentication.required"),
    (lose_account, "session", "authentication.required"),
    (lose_account, "token", "token.unknown"),
    (lose_token, "token", "token.revoked"),
    (expire_token, "token", "token.expired"),
]


@pytest.mark.parametrize(("lose", "by", "code"), LOST, ids=[f"{lose.__name__}-{by}" for lose, by, _ in LOST])
def test_who_may_no_longer_follow_hears_nothing_more(
    port: int, cohort: Cohort, streams: list[Stream], lose: Any, by: str, code: str
) -> None:
    job = run_job(cohort, rounds_answered=0)
    headers = session(cohort.neighbour) if by == "session" else bearer(cohort.neighbour, Scope.JOBS_READ)
    streams.append(Stream(port, f"/api/v1/jobs/{job.id}/events/", headers))
    assert [streams[0].next()["event"] for _ in range(3)] == ["job.launched", "job.running", "round.opened"]
    lose(cohort)
    control.cancel(job=job, by=cohort.scientist)
    reported = streams[0].next()
    assert reported["event"] == "refused"
    # between the two questions of one look, the role may go: the job is then seen, and not allowed
    assert json.loads(reported["data"])["code"] in {code, "permission.denied"}
    assert streams[0].response.read() == b""


def test_idle_streams_of_readers_who_left_end(
    port: int, cohort: Cohort, streams: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.reading.event_stream.KEEP_ALIVE_S", 0.1)
    job = run_job(cohort, rounds_answered=0)
    streams.append(Stream(port, f"/api/v1/jobs/{job.id}/events/", session(cohort.neighbour)))
    assert streams[0].next()["event"] == "job.launched"
    lose_role(cohort)
    while (reported := streams[0].next())["event"] != "refused":
        assert reported["event"] in {"job.running", "round.opened"}
    assert streams[0].response.read() == b""
