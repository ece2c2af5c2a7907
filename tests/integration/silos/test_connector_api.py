"""The connector API over real HTTP: enrolment, signatures, long poll, artefacts, answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from artefacts import signed_urls, store
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from silos import actions
from silos.models import EnrolmentCode, Silo
from silos.selectors import platform_keys
from tests.support.agreements import being_signed, signed_by
from tests.support.federation import TEST, Federation, certificate, make_federation, registration, statement, withdrawal
from tests.support.live_platform import Client, serving
from tests.support.patience import FAILS_AFTER_S, until
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Order
from training.transitions import OrderState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    return make_federation()


def relay(port: int, federation: Federation, index: int = 0) -> Client:
    played = federation.silos[index]
    return Client(port, played.transport, str(played.silo.id))


def launched(federation: Federation) -> None:
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)


class TestEnrolment:
    def test_a_connector_enrols_waits_for_confirmation_and_may_then_work(
        self, port: int, federation: Federation
    ) -> None:
        played = federation.silos[0]
        silo = actions.create(organisation=played.silo.organisation, name="second", by=TEST)
        code, _ = actions.issue_code(silo=silo, by=federation.administrator)
        identity, transport = PrivateKey.generate(), PrivateKey.generate()
        body = {
            "code": code.lower(),
            "transport_key": transport.public.encoded,
            "statement": json.loads(statement(identity, played.signatory)),
            "certificate": json.loads(certificate("x", identity, played.signatory)),
        }
        client = Client(port, transport)
        answer = client.post("/connector/v1/enrol", body)
        assert (answer.status, answer.json["silo_id"]) == (201, str(silo.id))
        assert answer.json["platform_keys"]
        assert client.post("/connector/v1/enrol", body).json == answer.json  # its answer may have been lost
        again = {**body, "statement": json.loads(statement(identity, played.signatory))}  # the same keys, said again
        assert client.post("/connector/v1/enrol", again).json == answer.json
        other = PrivateKey.generate()
        again["statement"] = json.loads(statement(other, played.signatory))
        again["certificate"] = json.loads(certificate("x", other, played.signatory))
        assert client.post("/connector/v1/enrol", again).code == "enrolment.code_used"
        client.silo_id = str(silo.id)
        assert client.post("/connector/v1/orders", {"held": [], "wait_s": 0}).code == "silo.unconfirmed"
        silo = Silo.objects.get(id=silo.id)
        actions.confirm(silo=silo, identity_fingerprint=identity.public.fingerprint, by=federation.administrator)
        assert client.post("/connector/v1/orders", {"held": [], "wait_s": 0}).json == {"orders": [], "cancelled": []}
        client.silo_id = None
        assert client.post("/connector/v1/enrol", body).json == answer.json  # lost, and confirmed meanwhile
        client.silo_id = str(silo.id)
        actions.revoke(silo=silo, by=federation.administrator)
        assert client.post("/connector/v1/orders", {"held": [], "wait_s": 0}).code == "silo.revoked"
        client.silo_id = None
        assert client.post("/connector/v1/enrol", body).code == "enrolment.code_used"

    def test_what_is_wrong_with_an_enrolment_is_reported_and_uses_up_no_code(
        self, port: int, federation: Federation
    ) -> None:
        played = federation.silos[0]
        silo = actions.create(organisation=played.silo.organisation, name="second", by=TEST)
        code, row = actions.issue_code(silo=silo, by=federation.administrator)
        identity, transport, stranger = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
        good = {
            "code": code,
            "transport_key": transport.public.encoded,
            "statement": json.loads(statement(identity, played.signatory)),
            "certificate": json.loads(certificate("x", identity, played.signatory)),
        }
        client = Client(port, transport)

        def code_of(**changes: object) -> str:
            return client.post("/connector/v1/enrol", {**good, **changes}).code

        assert code_of(code="AAAAA-AAAAA-AAAAA-AAAAA-AAAAA") == "enrolment.code_unknown"
        assert code_of(certificate=json.loads(certificate("x", stranger, played.signatory))) == "certificate.other_key"
        assert code_of(statement=json.loads(statement(identity, stranger))) == "certificate.other_key"
        assert (
            code_of(
                statement=json.loads(statement(identity, stranger)),
                certificate=json.loads(certificate("x", identity, stranger)),
            )
            == "certificate.unknown_signatory"
        )
        assert code_of(statement="nonsense") == "request.field"
        assert code_of(statement={"payload": "AA==", "payloadType": "x", "signatures": []}) == "document.malformed"
        assert code_of(transport_key=stranger.public.encoded) == "signature.invalid"
        assert code_of(transport_key="short") == "key.invalid"
        assert code_of(platform_key="0000 " * 7 + "0000") == "enrolment.platform_key"
        assert code_of(platform_key=7) == "request.field"
        EnrolmentCode.objects.filter(id=row.id).update(expires_at=datetime.now(UTC))
        assert code_of() == "enrolment.code_expired"
        assert EnrolmentCode.objects.get(id=row.id).used_at is None

    def test_asking_about_a_code_does_not_use_it_up(self, port: int, federation: Federation) -> None:
        silo = actions.create(organisation=federation.silos[0].silo.organisation, name="second", by=TEST)
        code, row = actions.issue_code(silo=silo, by=federation.administrator)
        client = Client(port, PrivateKey.generate())
        for _ in range(2):
            answer = client.post("/connector/v1/enrolment-code", {"code": code})
            assert (answer.status, answer.json["state"], answer.json["silo"]) == (200, "valid", "second")
            shown = [key["public_key"] for key in answer.json["platform_keys"]]
            assert shown == [key.encoded for key in platform_keys()]
        wrong = {"code": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}
        assert client.post("/connector/v1/enrolment-code", wrong).code == "enrolment.code_unknown"
        assert client.post("/connector/v1/enrolment-code", {}).code == "request.field"
        EnrolmentCode.objects.filter(id=row.id).update(expires_at=datetime.now(UTC))
        assert client.post("/connector/v1/enrolment-code", {"code": code}).code == "enrolment.code_expired"
        assert EnrolmentCode.objects.get(id=row.id).used_at is None


class TestSignatures:
    def test_a_replayed_request_is_refused(self, port: int, federation: Federation) -> None:
        client = relay(port, federation)
        body = {"held": [], "wait_s": 0}
        assert client.post("/connector/v1/orders", body).status == 200
        again = client.send("POST", "/connector/v1/orders", b'{"held": [], "wait_s": 0}', client.sent[0])
        assert (again.status, again.code) == (401, "signature.replayed")

    def test_a_wrong_clock_is_reported(self, port: int, federation: Federation) -> None:
        client = relay(port, federation)
        past = datetime.now(UTC) - timedelta(seconds=90)
        answer = client.post("/connector/v1/orders", {"held": []}, now=past)
        assert (answer.status, answer.code) == (401, "signature.clock")

    def test_another_key_another_body_another_address_or_none_is_refused(
        self, port: int, federation: Federation
    ) -> None:
        client = relay(port, federation)
        stranger = Client(port, PrivateKey.generate(), client.silo_id)
        assert stranger.post("/connector/v1/orders", {}).code == "signature.invalid"
        other = Client(port, client.key, str(federation.silos[1].silo.id))
        assert other.post("/connector/v1/orders", {}).code == "signature.invalid"
        nobody = Client(port, client.key, str(uuid4()))
        assert nobody.post("/connector/v1/orders", {}).code == "signature.invalid"
        client.post("/connector/v1/orders", {"wait_s": 0})
        assert client.send("POST", "/connector/v1/orders", b"{}", client.sent[-1]).code == "signature.invalid"
        assert (
            client.send("POST", "/connector/v1/heartbeat", b'{"wait_s": 0}', client.sent[-1]).code
            == "signature.invalid"
        )
        assert client.send("POST", "/connector/v1/orders", b"{}").code == "signature.missing"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "request.malformed"),
            (b"[]", "request.malformed"),
            (b"\xff\xfe", "request.malformed"),
            (b"[" * 60_000, "request.malformed"),
            (b'{"held": "x"}', "request.field"),
            (b'{"held": ["x"]}', "request.field"),
            (b'{"held": [], "wait_s": true}', "request.field"),
            (b'{"held": [], "wait_s": -1}', "request.field"),
        ],
    )
    def test_a_malformed_body_is_a_clear_error(self, port: int, federation: Federation, body: bytes, code: str) -> None:
        from federation.protocol.requests import sign_request

        client = relay(port, federation)
        assert client.key is not None
        headers = sign_request("POST", "/connector/v1/orders", body, client.key, client.silo_id)
        answer = client.send("POST", "/connector/v1/orders", body, headers)
        assert 400 <= answer.status < 500
        assert answer.code == code

    def test_an_oversized_body_is_refused(self, port: int, federation: Federation) -> None:
        large = {"x": "x" * (9 << 20)}
        for name in ("orders", "submissions", "heartbeat"):
            assert relay(port, federation).post(f"/connector/v1/{name}", large).code == "request.too_large"


class TestOrders:
    def test_a_poll_is_answered_as_soon_as_there_is_an_order(
        self, port: int, federation: Federation, settings: Any
    ) -> None:
        settings.LONG_POLL_MAX_S = 2 * FAILS_AFTER_S  # so long it would be held without an order
        client = relay(port, federation)
        answers: list[object] = []
        thread = threading.Thread(
            target=lambda: answers.append(client.post("/connector/v1/orders", {"held": [], "wait_s": 3600}).json)
        )
        thread.start()
        time.sleep(0.5)
        launched(federation)
        thread.join(FAILS_AFTER_S)
        (answer,) = answers
        assert isinstance(answer, dict)
        assert len(answer["orders"]) == 1

    def test_a_poll_that_is_held_ends_when_its_silo_is_revoked(self, port: int, federation: Federation) -> None:
        client, silo = relay(port, federation), federation.silos[0].silo
        answers: list[tuple[int, str]] = []

        def poll() -> None:
            answer = client.post("/connector/v1/orders", {"held": [], "wait_s": 20})
            answers.append((answer.status, answer.json.get("code", "")))

        Silo.objects.filter(id=silo.id).update(last_seen_at=None)
        thread = threading.Thread(target=poll)
        thread.start()
        # recorded when the poll begins to wait
        until("a poll is held", lambda: Silo.objects.get(id=silo.id).last_seen_at is not None)
        actions.revoke(silo=silo, by=federation.administrator)
        thread.join(FAILS_AFTER_S)
        assert answers == [(403, "silo.revoked")]

    def test_an_order_is_given_again_until_the_relay_holds_it(self, port: int, federation: Federation) -> None:
        launched(federation)
        client = relay(port, federation)
        first = client.post("/connector/v1/orders", {"held": [], "wait_s": 0}).json
        again = client.post("/connector/v1/orders", {"held": [], "wait_s": 0}).json
        assert first == again
        order = Order.objects.get(silo=federation.silos[0].silo)
        assert order.state == OrderState.DELIVERED
        assert client.post("/connector/v1/orders", {"held": [str(order.id)], "wait_s": 0}).json["orders"] == []
        order.refresh_from_db()
        assert order.state == OrderState.ACCEPTED

    def test_a_silo_gets_and_answers_its_own_orders_only(self, port: int, federation: Federation) -> None:
        launched(federation)
        order = Order.objects.get(silo=federation.silos[1].silo)
        document = json.loads(federation.silos[1].train(order, 1.0))
        assert relay(port, federation, 0).post("/connector/v1/submissions", {"document": document}).status == 401
        answer = relay(port, federation, 1).post("/connector/v1/submissions", {"document": document})
        assert answer.json == {"state": "submitted", "code": None}
        assert relay(port, federation, 1).post("/connector/v1/checkpoints", {"document": document}).status == 404

    def test_a_held_order_that_is_recalled_is_reported(self, port: int, federation: Federation) -> None:
        launched(federation)
        order = Order.objects.get(silo=federation.silos[0].silo)
        from training.engine.control import cancel

        cancel(job=order.round.job, by=federation.scientist)
        answer = relay(port, federation).post("/connector/v1/orders", {"held": [str(order.id)], "wait_s": 0})
        assert answer.json["cancelled"] == [str(order.id)]


def test_a_silo_is_informed_which_of_its_updates_did_not_count(port: int, federation: Federation) -> None:
    launched(federation)
    for played, delta in zip(federation.silos, (float("nan"), 1.0, 1.0), strict=True):
        order = Order.objects.get(silo=played.silo)
        answers.answer(document=played.train(order, delta), by=played.silo)
    closing.close_step(step_id=order.round_step.id, by=TEST)
    beat = {"relay_version": "1", "trainer": None, "disk_free_bytes": 1 << 30, "clock_skew_s": 0.1}
    (reported,) = relay(port, federation, 0).post("/connector/v1/heartbeat", beat).json["rejected"]
    assert reported["code"] == "update.not_finite"
    assert relay(port, federation, 1).post("/connector/v1/heartbeat", beat).json["rejected"] == []
    huge = relay(port, federation, 1).post("/connector/v1/heartbeat", {**beat, "clock_skew_s": 10**400})
    assert (huge.status, huge.code) == (400, "request.malformed")


class TestDatasets:
    def test_a_registration_is_taken_once_and_only_from_its_silo(self, port: int, federation: Federation) -> None:
        mine, other = federation.silos[:2]
        client = relay(port, federation)
        good = client.post("/connector/v1/datasets", {"document": json.loads(registration(mine, title="New title"))})
        assert mine.dataset is not None
        assert good.json == {"dataset_id": str(mine.dataset.id)}
        theirs = client.post("/connector/v1/datasets", {"document": json.loads(registration(other))})
        assert theirs.code == "signature.invalid"

    def test_a_silo_withdraws_its_dataset_and_offers_it_again(self, port: int, federation: Federation) -> None:
        mine, client = federation.silos[0], relay(port, federation)
        assert mine.dataset is not None

        def report(document: bytes) -> object:
            return client.post("/connector/v1/datasets", {"document": json.loads(document)}).json

        assert report(withdrawal(mine)) == {"dataset_id": str(mine.dataset.id)}
        mine.dataset.refresh_from_db()
        assert mine.dataset.withdrawn_by_silo
        assert report(registration(mine)) == {"dataset_id": str(mine.dataset.id)}
        mine.dataset.refresh_from_db()
        assert mine.dataset.withdrawn_at is None
        assert report(withdrawal(mine, name="unheard-of")) == {"dataset_id": None}
        other = client.post("/connector/v1/datasets", {"document": json.loads(withdrawal(federation.silos[1]))})
        assert other.code == "signature.invalid"


class TestAgreements:
    def test_a_signature_made_on_premises_is_taken_once(self, port: int, federation: Federation) -> None:
        version = being_signed(federation)
        client = relay(port, federation)
        body = {"document": json.loads(signed_by(version, federation.silos[0].signatory))}
        for _ in range(2):
            answer = client.post("/connector/v1/agreements", body)
            missing = [played.silo.organisation.name for played in federation.silos[1:]]
            assert (answer.status, answer.json) == (200, {"state": "signing", "missing": missing})
        others = {"document": json.loads(signed_by(version, federation.silos[1].signatory))}
        answer = relay(port, federation, 2).post("/connector/v1/agreements", others)
        assert (answer.status, answer.code) == (422, "agreement.no_mandate")


class TestArtefacts:
    data = bytes(range(256)) * 5000

    def upload_path(self, federation: Federation, size_max: int = 10_000_000, index: int = 0) -> str:
        """The address that the first silo's order would carry, had a model so large been asked for."""
        if not Order.objects.exists():
            launched(federation)
        order = Order.objects.get(silo=federation.silos[index].silo)
        url = signed_urls.upload_url(order.id, "update", size_bytes_max=size_max, expires_at_s=int(time.time()) + 60)
        return url.replace("{digest}", digest_bytes(self.data))

    def test_an_upload_in_parts_goes_on_where_it_stopped_and_can_be_fetched(
        self, port: int, federation: Federation
    ) -> None:
        client, path, total = Client(port), self.upload_path(federation), len(self.data)
        first = client.send("PUT", path, self.data[:1000], {"content-range": f"bytes 0-999/{total}"})
        assert first.json == {"complete": False, "offset": 1000}
        assert client.send("HEAD", path).headers["upload-offset"] == "1000"
        wrong = client.send("PUT", path, self.data[5000:], {"content-range": f"bytes 5000-{total - 1}/{total}"})
        assert (wrong.status, wrong.headers["upload-offset"]) == (409, "1000")
        rest = client.send("PUT", path, self.data[1000:], {"content-range": f"bytes 1000-{total - 1}/{total}"})
        assert rest.json == {"complete": True, "offset": total}
        url = signed_urls.download_url(digest_bytes(self.data), expires_at_s=int(time.time()) + 60)
        assert client.send("GET", url).body == self.data
        part = client.send("GET", url, headers={"range": "bytes=10-19"})
        assert (part.status, part.body) == (206, self.data[10:20])
        assert client.send("GET", url, headers={"range": f"bytes={total}-"}).status == 416
        assert client.send("HEAD", url).headers["content-length"] == str(total)
        assert client.send("PUT", path, self.data).json["complete"]

    def test_bytes_that_are_not_what_the_digest_says_are_not_kept(self, port: int, federation: Federation) -> None:
        client, path = Client(port), self.upload_path(federation)
        answer = client.send("PUT", path, b"x" + self.data[1:])
        assert (answer.status, answer.code) == (422, "blob.digest_mismatch")
        assert client.send("HEAD", path).headers["upload-offset"] == "0"
        assert store.size_bytes(digest_bytes(self.data)) is None

    def test_too_many_bytes_are_refused(self, port: int, federation: Federation, settings: Any) -> None:
        client, path = Client(port), self.upload_path(federation)
        assert client.send("PUT", self.upload_path(federation, size_max=100), self.data).code == "blob.too_large"
        settings.UPLOAD_BYTES_MAX = len(self.data) - 1
        assert client.send("PUT", path, self.data).code == "blob.too_large"
        settings.UPLOAD_BYTES_MAX = len(self.data)
        settings.UPLOADS_IN_FLIGHT_BYTES_MAX = len(self.data) - 1
        assert client.send("PUT", path, self.data).code == "blob.too_large"

    def test_only_addresses_that_were_released_work(self, port: int, federation: Federation) -> None:
        client, path = Client(port), self.upload_path(federation)
        assert client.send("PUT", path.replace("max=10000000", "max=99999999"), self.data).code == "grant.invalid"
        assert client.send("PUT", path.partition("?")[0], self.data).code == "request.malformed"
        digest = digest_bytes(self.data)
        expired = signed_urls.download_url(digest, expires_at_s=int(time.time()) - 1)
        assert client.send("GET", expired).code == "grant.expired"
        gone = signed_urls.download_url(digest, expires_at_s=int(time.time()) + 9)
        assert client.send("GET", gone).code == "blob.not_found"
        assert client.send("GET", "/connector/v1/blobs/../../etc/passwd?exp=9999999999&sig=x").status in {401, 422}


def test_the_orders_of_a_job_open_and_say_what_they_must(port: int, federation: Federation) -> None:
    launched(federation)
    answer = relay(port, federation).post("/connector/v1/orders", {"held": [], "wait_s": 0}).json["orders"][0]
    order = documents.read(documents.Order, payload_unverified(json.dumps(answer["order"]).encode()))
    sealed = json.dumps(answer["manifest"], separators=(",", ":")).encode()
    assert order.manifest_digest == digest_bytes(sealed)
    manifest = documents.read(documents.Manifest, payload_unverified(sealed))
    assert {member.silo_id for member in manifest.cohort} == {played.silo.id for played in federation.silos}
    assert order.model_digest is not None
    assert Client(port).send("GET", order.inputs["model"].url).status == 200
