"""An order is checked before anything is done for it: every way in which it can be wrong has its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from federation.errors import FederationError, Untrusted
from federation.protocol import envelope
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import BlobReference, Manifest, Order, OrderKind, now, sign_document
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import KeyChain
from federation.protocol.tensors import TensorSpec
from silo_connector.trainer.kinds.evaluate import validate_evaluate_order
from silo_connector.trainer.kinds.registry import Kinds
from silo_connector.trainer.kinds.train import validate_train_order
from silo_connector.trainer.orders.verification import (
    Task,
    Trust,
    check_open,
    open_manifest,
    open_order,
)
from silo_connector.trainer.protection import check_supported
from silo_connector.trainer.refusals import REFUSALS, Refused
from tests.support.of_1_0 import sealed_as_1_0
from tests.unit.silo_connector.fake_platform import FakePlatform, weights_of
from tests.unit.silo_connector.test_leaving import GRANT, declared

KINDS = Kinds()
BLOB = BlobReference(digest=digest_bytes(b""), size_bytes=1, url="/connector/v1/blobs/x")
ELSEWHERE = {"kind": "update.f32", "size_bytes_max": 1, "url": "https://elsewhere/connector/v1/uploads/"}
MASKED = {"mode": "masked", "threshold": 3, "min_survivors": 3, "clip": 1.0}
PRIVACY = {
    "mechanism": "gaussian",
    "sampler": "poisson",
    "sample_rate": 0.1,
    "expected_batch": 10,
    "clipping_norm": 1.0,
    "noise_multiplier": 1.0,
    "steps": 100,
    "population": 100,
    "delta": 1e-5,
}


@dataclass
class Scene:
    """A platform, a silo, and a job between them."""

    platform: FakePlatform
    trust: Trust
    declaration: DatasetDeclaration

    def job(self, **changes: Any) -> Manifest:
        return self.platform.manifest(self.declaration.schema_digest, 2, **changes)

    def judge(self, order: Order, manifest: Manifest, key: PrivateKey | None = None) -> Task:
        sealed = sign_document(manifest, key or self.platform.key)
        kind = KINDS.find(order.kind)
        check_open(order, now())
        opened = open_manifest(order, sealed, self.trust)
        validate = validate_train_order if kind.name == "train" else validate_evaluate_order
        return validate(order, opened, self.trust, {"tiny": self.declaration})

    def order(self, manifest: Manifest, **changes: Any) -> Order:
        return self.platform.order(manifest, weights_of(manifest.layout), **changes)

    def refusal(self, order: Order, manifest: Manifest, key: PrivateKey | None = None) -> str:
        with pytest.raises(Refused) as caught:
            self.judge(order, manifest, key)
        assert caught.value.code in REFUSALS
        return caught.value.code


@pytest.fixture
def scene() -> Scene:
    platform = FakePlatform()
    identity, signatory = PrivateKey.generate().public, PrivateKey.generate().public
    platform.identity, platform.signatory = identity, signatory
    return Scene(platform, Trust(platform.silo_id, KeyChain(platform.key.public), identity, signatory), declared())


def test_a_good_order_is_a_task(scene: Scene) -> None:
    manifest = scene.job()
    task = scene.judge(scene.order(manifest), manifest)
    assert task.family.name == "logistic"
    assert task.local is not None
    evaluate = scene.judge(scene.order(manifest, kind=OrderKind.EVALUATE, outputs={}), manifest)
    assert evaluate.local is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": now() - timedelta(seconds=1)}, "order.expired"),
        ({"issued_at": now() + timedelta(days=1)}, "order.not_yet_valid"),
        *(
            ({"kind": kind}, "order.kind_not_supported")
            for kind in [*OrderKind, "nobody_knows"]
            if kind not in KINDS.by_name
        ),
        ({"manifest_digest": digest_bytes(b"other")}, "manifest.digest_mismatch"),
        ({"job_id": uuid4()}, "manifest.job_mismatch"),
        ({"inputs": {}}, "order.model_missing"),
        ({"outputs": {}}, "order.upload_missing"),
        ({"round": 2, "inputs": {"model": BLOB, "seeds": BLOB}}, "order.artefacts"),
        ({"outputs": {"update": GRANT, "sums": GRANT}}, "order.artefacts"),
        ({"outputs": {"update": GRANT.model_copy(update={"kind": "update.i8"})}}, "order.artefacts"),
        ({"kind": OrderKind.EVALUATE}, "order.artefacts"),
    ],
)
def test_a_wrong_order_is_refused(scene: Scene, changes: dict[str, Any], code: str) -> None:
    manifest = scene.job()
    assert scene.refusal(scene.order(manifest, **changes), manifest) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"initial_model_digest": digest_bytes(b"another")}, "model.not_initial"),
        ({"task": "evaluate"}, "order.task_mismatch"),
        ({"n_features": 3}, "model.does_not_fit"),
        ({"n_classes": 3}, "model.does_not_fit"),
        ({"layout": (TensorSpec("linear.weight", (1, 3)), TensorSpec("linear.bias", (1,)))}, "model.layout_mismatch"),
        ({"local": {"steps": 0}}, "local.invalid"),
        ({"local": {"steps": 1, "epochs": 1}}, "local.invalid"),
    ],
)
def test_a_wrong_manifest_is_refused(scene: Scene, changes: dict[str, Any], code: str) -> None:
    manifest = scene.job(**changes)
    assert scene.refusal(scene.order(manifest), manifest) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"protection": {"mode": "masked", "threshold": 3, "min_survivors": 3, "clip": 1.0}},
            "protection.not_supported",
        ),
        ({"privacy_cost": {"epsilon": 1, "delta": 0}}, "privacy.not_supported"),
        ({"privacy": PRIVACY}, "privacy.not_supported"),
    ],
)
def test_what_is_not_built_yet_is_refused(scene: Scene, changes: dict[str, Any], code: str) -> None:
    check_supported(scene.job())
    with pytest.raises(Refused) as caught:
        check_supported(scene.job(**changes))
    assert caught.value.code == code
    assert code in REFUSALS


@pytest.mark.parametrize("model", [{"family": "unheard_of"}, {"family": "mlp", "hidden": []}, {}])
def test_an_unknown_model_is_refused(scene: Scene, model: dict[str, Any]) -> None:
    manifest = scene.job().model_copy(update={"model": model})
    assert scene.refusal(scene.order(manifest), manifest) in ("model.unknown_family", "model.invalid")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"silo_id": uuid4()}, "cohort.not_a_member"),
        ({"identity_key": PrivateKey.generate().public.encoded}, "cohort.identity_mismatch"),
        ({"signatory_key": PrivateKey.generate().public.encoded}, "cohort.signatory_mismatch"),
        ({"dataset": "another"}, "dataset.unknown"),
        ({"schema_digest": digest_bytes(b"another")}, "dataset.schema_changed"),
    ],
)
def test_a_cohort_that_is_not_ours_is_refused(scene: Scene, changes: dict[str, Any], code: str) -> None:
    manifest = scene.job()
    member = manifest.cohort[0].model_copy(update=changes)
    manifest = manifest.model_copy(update={"cohort": (member,)})
    assert scene.refusal(scene.order(manifest), manifest) == code


def test_being_in_the_cohort_twice_is_refused(scene: Scene) -> None:
    manifest = scene.job()
    manifest = manifest.model_copy(update={"cohort": manifest.cohort * 2})
    assert scene.refusal(scene.order(manifest), manifest) == "cohort.not_a_member"


def test_a_manifest_of_somebody_else_is_refused(scene: Scene) -> None:
    manifest = scene.job()
    assert scene.refusal(scene.order(manifest), manifest, PrivateKey.generate()) == "manifest.untrusted"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protection": {"mode": "shouted"}}, "protection.not_supported"),
        ({"unheard_of": 1}, "document.malformed"),
        ({"protocol": "2.0"}, "protocol.version"),
        ({"seed": -1}, "document.malformed"),
    ],
)
def test_a_manifest_that_this_version_can_not_read_is_refused(scene: Scene, changes: dict[str, Any], code: str) -> None:
    manifest = scene.job()
    payload = json.dumps(json.loads(manifest.model_dump_json()) | changes).encode()
    sealed = envelope.sign(payload, Manifest.payload_type, scene.platform.key)
    order = scene.order(manifest, manifest_digest=digest_bytes(sealed))
    with pytest.raises(Refused) as caught:
        open_manifest(order, sealed, scene.trust)
    assert caught.value.code == code


def sealed_order(scene: Scene, **changes: Any) -> bytes:
    order = scene.order(scene.job())
    payload = json.dumps(json.loads(order.model_dump_json()) | changes).encode()
    return envelope.sign(payload, Order.payload_type, scene.platform.key)


def test_an_order_is_opened_with_the_platform_s_key_only(scene: Scene) -> None:
    order = scene.order(scene.job())
    opened = open_order(sign_document(order, scene.platform.key), scene.trust, now(), KINDS.by_name)
    assert (opened.order, opened.kind) == (order, "train")
    assert (opened.head.order_id, opened.head.number) == (order.order_id, 1)
    with pytest.raises(Untrusted, match=r"signature\.invalid"):
        open_order(sign_document(order, PrivateKey.generate()), scene.trust, now(), KINDS.by_name)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protocol": "2.0"}, "protocol.version"),
        ({"protocol": "1.2", "critical": ["noise"], "noise": 1}, "protocol.critical"),
        ({"kind": "Dance"}, "order.kind_not_supported"),
        ({"more": 1}, "order.malformed"),
        ({"inputs": {"model": {"digest": "x", "size_bytes": 1, "url": "http://elsewhere"}}}, "order.malformed"),
        ({"outputs": {"update": ELSEWHERE}}, "order.malformed"),
        ({"outputs": {"../update": GRANT.model_dump()}}, "order.malformed"),
        ({"inputs": {f"part_{number}": BLOB.model_dump() for number in range(17)}}, "order.malformed"),
    ],
)
def test_an_order_that_can_not_be_read_whole_can_still_be_answered(
    scene: Scene, changes: dict[str, Any], code: str
) -> None:
    refused = open_order(sealed_order(scene, **changes), scene.trust, now(), KINDS.by_name).order
    assert isinstance(refused, Refused)
    assert refused.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"silo_id": str(uuid4())},
        {"order_id": "../../etc"},
        {"order_id": 7},
        {"number": 0},
        {"number": True},
        {"number": "1"},
        {"number": 2**60},
        {"job_id": None},
    ],
)
def test_an_order_that_can_not_be_answered_is_not_read(scene: Scene, changes: dict[str, Any]) -> None:
    with pytest.raises(FederationError):
        open_order(sealed_order(scene, **changes), scene.trust, now(), KINDS.by_name)


@pytest.mark.parametrize(
    "broken",
    [
        lambda good: b"",
        lambda good: b"null",
        lambda good: b"[" * 100_000,
        lambda good: good[: len(good) // 2],
        lambda good: good.replace(b"order.v1", b"other.v1"),
        lambda good: b'{"payload":"' + b"A" * (5 << 20) + b'"}',
        lambda good: json.dumps(json.loads(good) | {"signatures": []}).encode(),
    ],
)
def test_what_is_no_envelope_is_not_read(scene: Scene, broken: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FederationError):
        open_order(broken(sealed_order(scene)), scene.trust, now(), KINDS.by_name)


def test_an_order_and_a_manifest_of_protocol_1_0_authorise_nothing(scene: Scene) -> None:
    manifest = scene.job()
    order = scene.order(manifest)
    opened = open_order(sealed_as_1_0(order, scene.platform.key), scene.trust, now(), KINDS.by_name).order
    assert isinstance(opened, Refused)
    assert opened.code == "protocol.outdated"
    old = sealed_as_1_0(manifest, scene.platform.key)
    order = order.model_copy(update={"manifest_digest": digest_bytes(old)})
    with pytest.raises(Refused) as caught:
        open_manifest(order, old, scene.trust)
    assert caught.value.code == "protocol.outdated"
    assert caught.value.code in REFUSALS
