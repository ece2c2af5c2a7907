"""A connector of protocol 1.0 is instructed to upgrade at every door, loses nothing by it, and its people see why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from artefacts import signed_urls
from audit.models import Event
from federation.protocol.digests import digest_bytes
from federation.protocol.keys import PrivateKey
from monitoring.models import Kind
from monitoring.wording import said_of_silo
from silos import actions
from silos.models import EnrolmentCode, RefusedRequest, Silo
from tests.support.cohort import Cohort, browser
from tests.support.federation import TEST
from tests.support.live_platform import Answer, Client, serving
from tests.support.requests_1_0 import sign_request_1_0
from tests.support.world import client_of
from training.engine import start
from training.launch.actions import launch
from training.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

RECORDED = Path(__file__).parents[2] / "fixtures" / "protocol_1_0" / "documents"
SAID_AT_ONCE = ("orders", "heartbeat")
CARRIES_WORK = ("submissions", "checkpoints", "agreements", "code-reviews", "datasets")


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    with serving() as port:
        yield port


def recorded(name: str) -> object:
    return json.loads((RECORDED / f"{name}.json").read_bytes())


def post_1_0(
    port: int, name: str, data: object, key: PrivateKey, silo: Silo | None = None, spoken: str | None = "1.0"
) -> Answer:
    """What a relay of version 0.1.0 is answered."""
    path, body = f"/connector/v1/{name}", json.dumps(data).encode()
    headers = sign_request_1_0("POST", path, body, key, None if silo is None else str(silo.id), spoken=spoken)
    return Client(port, protocol=None).send("POST", path, body, headers)


def check_answer(answer: Answer) -> None:
    assert (answer.status, answer.code) == (426, "protocol.version")
    assert "This connector speaks protocol 1.0; the platform speaks 1.1. Upgrade the connector" in answer.json["detail"]


@pytest.mark.parametrize("spoken", ["1.0", None])
def test_every_door_shows_a_silo_of_1_0_to_upgrade(port: int, cohort: Cohort, spoken: str | None) -> None:
    played = cohort.federation.silos[0]
    seen = Silo.objects.get(id=played.silo.id).last_seen_at
    documents = {
        "submissions": "submission",
        "checkpoints": "audit-checkpoint",
        "agreements": "agreement",
        "code-reviews": "code-review",
        "datasets": "dataset-registration",
    }
    events = Event.objects.count()
    for name in (*SAID_AT_ONCE, *CARRIES_WORK):
        body = {"document": recorded(documents[name])} if name in documents else {"held": [], "wait_s": 0}
        answer = post_1_0(port, name, body, played.transport, played.silo, spoken)
        check_answer(answer)
        assert ("retry-after" in answer.headers) == (name in CARRIES_WORK), (
            "its relay gives up for good what it is refused without being told to come again"
        )
    assert Silo.objects.get(id=played.silo.id).last_seen_at == seen
    assert Event.objects.count() == events
    assert RefusedRequest.objects.get(silo=played.silo).code == "protocol.version"


def test_an_enrolment_of_1_0_uses_up_no_code(port: int, cohort: Cohort) -> None:
    silo = actions.create(organisation=cohort.silo.organisation, name="Old ward", by=TEST)
    code, row = actions.issue_code(silo=silo, by=cohort.administrator)
    key = PrivateKey.generate()
    body = {
        "code": code,
        "transport_key": key.public.encoded,
        "statement": recorded("enrolment-statement"),
        "certificate": recorded("silo-certificate"),
    }
    check_answer(post_1_0(port, "enrol", body, key))
    check_answer(post_1_0(port, "enrolment-code", {"code": code}, key))
    assert EnrolmentCode.objects.get(pk=row.pk).used_at is None
    assert Silo.objects.get(id=silo.id).state == Silo.State.CREATED


def test_transfers_of_1_0_are_reported_to_come_again(port: int, cohort: Cohort) -> None:
    request = cohort.federation.request()
    job = launch(consortium=cohort.federation.consortium, request=request, by=cohort.scientist)
    start.start(job_id=job.id, by=TEST)
    order, data = Order.objects.get(silo=cohort.silo), b"update"
    ends = int(time.time()) + 60
    upload = signed_urls.upload_url(order.id, "update", size_bytes_max=100, expires_at_s=ends)
    download = signed_urls.download_url(digest_bytes(data), expires_at_s=ends)
    old = Client(port, protocol=None)
    upload = upload.replace("{digest}", digest_bytes(data))
    for answer in (old.send("PUT", upload, data), old.send("GET", download)):
        check_answer(answer)
        assert answer.headers["retry-after"]
    assert old.send("HEAD", upload).status == 426


def test_a_stranger_who_says_1_0_is_noted_for_no_silo(port: int, cohort: Cohort) -> None:
    stranger = PrivateKey.generate()
    answer = post_1_0(port, "heartbeat", {}, stranger, cohort.silo)
    assert (answer.status, answer.code) == (401, "signature.invalid")
    assert not RefusedRequest.objects.exists()


def test_a_later_minor_version_is_heard_and_a_later_major_one_is_not(port: int, cohort: Cohort) -> None:
    url = signed_urls.download_url(digest_bytes(b"x"), expires_at_s=int(time.time()) + 60)
    assert Client(port, protocol="1.2").send("GET", url).status == 404
    answer = Client(port, protocol="2.0").send("GET", url)
    assert (answer.status, answer.code) == (426, "protocol.version")


def test_its_people_see_that_it_needs_an_upgrade(port: int, cohort: Cohort) -> None:
    played = cohort.federation.silos[0]
    old = {"kinds": ["train", "evaluate"], "protection": ["clear"], "families": ["logistic"]}
    assert not client_of(cohort.it).get(f"/api/v1/silos/{cohort.silo.id}/").json()["needs_upgrade"]
    assert "Needs an upgrade" not in browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    Silo.objects.filter(id=cohort.silo.id).update(capabilities=old)  # as version 0.1.0 sent it
    check_answer(post_1_0(port, "heartbeat", {}, played.transport, played.silo))
    body = client_of(cohort.it).get(f"/api/v1/silos/{cohort.silo.id}/").json()
    assert (body["needs_upgrade"], body["health"]) == (True, "refused")
    assert body["last_refused_request"]["code"] == "protocol.version"
    assert "Install the version that belongs to this platform" in body["last_refused_request"]["remedy"]
    listed = client_of(cohort.it).get("/api/v1/silos/").json()["results"]
    assert {row["id"]: row["needs_upgrade"] for row in listed}[str(cohort.silo.id)]
    assert "Needs an upgrade." in browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "needs an upgrade" in browser(cohort.it).get("/silos/").content.decode()
    silo = Silo.objects.get(id=cohort.silo.id)
    silo.silent_since = timezone.now()
    assert "Its connector speaks an older protocol" in said_of_silo(Kind.SILO_SILENT, silo).text
