"""What version 0.1.0 signed under protocol 1.0 is still read and verified: recorded documents, not made ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from federation.agreements.shares import fault_of
from federation.agreements.signing import open_agreement
from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Document, read, verify_document
from federation.protocol.documents.terms_1_0 import RENAMED, renamed
from federation.protocol.documents.version_1_0 import as_today
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey, PublicKey

RECORDED = Path(__file__).parents[2] / "fixtures" / "protocol_1_0"
KINDS: dict[str, type[Document]] = {
    "agreement": documents.Agreement,
    "audit-checkpoint": documents.AuditCheckpoint,
    "checkpoint-order": documents.CheckpointOrder,
    "code-review": documents.CodeReview,
    "dataset-registration": documents.DatasetRegistration,
    "dataset-withdrawal": documents.DatasetWithdrawal,
    "enrolment-statement": documents.EnrolmentStatement,
    "manifest": documents.Manifest,
    "platform-key-succession": documents.PlatformKeySuccession,
    "refusal": documents.Refusal,
    "silo-certificate": documents.SiloCertificate,
    "submission": documents.Submission,
    "train-order": documents.Order,
}


def recorded(name: str) -> bytes:
    return (RECORDED / "documents" / f"{name}.json").read_bytes()


def as_reported(kept: Any, statement: Any) -> Any:
    """What was read, without fields that came with 1.1: those have their defaults."""
    if isinstance(statement, dict) and isinstance(kept, dict):
        return {key: as_reported(kept[key], statement[key]) for key in statement}
    if isinstance(statement, list) and isinstance(kept, list) and len(statement) == len(kept):
        return [as_reported(one, other) for one, other in zip(kept, statement, strict=True)]
    return kept


def test_what_1_1_added_says_what_1_0_meant() -> None:
    manifest = read(documents.Manifest, payload_unverified(recorded("manifest")))
    assert manifest.weighting is None
    assert {(one.rows_coarse, one.weight_max) for one in manifest.cohort} == {(None, None)}
    agreement = read(documents.Agreement, payload_unverified(recorded("agreement")))
    assert agreement.terms.cohort.organisation_share_max is None
    assert agreement.terms.training_limits.trainer_network == "allowed"
    assert fault_of(agreement, manifest) is None
    assert fault_of(agreement, manifest.model_copy(update={"protocol": "1.1"})) is not None
    assert fault_of(agreement.model_copy(update={"protocol": "1.1"}), manifest) is not None


def test_every_kind_of_document_was_recorded() -> None:
    files = {path.stem for path in (RECORDED / "documents").glob("*.json")}
    assert files == KINDS.keys() | {"passport"}, "a passport is an in-toto statement, and is read with the evidence"


@pytest.mark.parametrize("name", KINDS)
def test_a_recorded_document_is_read_as_what_it_said(name: str) -> None:
    payload = payload_unverified(recorded(name))
    statement = read(KINDS[name], payload)
    assert statement.protocol == "1.0"
    kept, body = json.loads(statement.model_dump_json()), as_today(KINDS[name].payload_type, json.loads(payload))
    assert as_reported(kept, body) == body, "nothing is read as something else"


def test_terms_of_1_0_are_read_under_the_names_of_today_and_their_bytes_stay() -> None:
    sealed = recorded("agreement")
    opened = open_agreement(sealed)
    body = json.loads(payload_unverified(sealed))
    assert set(RENAMED) <= body["terms"].keys()
    assert opened.complete, "the signatures hold over the recorded bytes"
    assert (opened.payload, opened.digest) == (payload_unverified(sealed), digest_bytes(payload_unverified(sealed)))
    terms = opened.agreement.terms
    assert terms.training_limits.rounds_max == body["terms"]["work"]["rounds_max"]
    assert terms.disclosure.minimum_cell == body["terms"]["leaving"]["minimum_cell"]
    assert terms.amendment.running_jobs == body["terms"]["changes"]["running_jobs"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("clear_reason",), "none of 1.0"),
        (("work", "trainer_network"), "forbidden"),
        (("cohort", "organisation_share_max"), 0.5),
        (("disclosure",), {"minimum_cell": 1}),
        (("datasets", 0, "x"), 1),
    ],
)
def test_an_agreement_of_1_0_has_no_term_that_1_0_did_not_know(path: tuple[str | int, ...], value: object) -> None:
    body = json.loads(payload_unverified(recorded("agreement")))
    within: Any = body["terms"]
    for part in path[:-1]:
        within = within[part]
    within[path[-1]] = value
    with pytest.raises(Invalid, match=r"document\.malformed"):
        read(documents.Agreement, json.dumps(body).encode())


def test_an_agreement_of_1_1_knows_the_names_of_today_only() -> None:
    body = json.loads(payload_unverified(recorded("agreement"))) | {"protocol": "1.1"}
    with pytest.raises(Invalid, match=r"document\.malformed"):
        read(documents.Agreement, json.dumps(body).encode())
    read(documents.Agreement, json.dumps(body | {"terms": renamed(body["terms"])}).encode())


@pytest.mark.parametrize("name", ["refusal", "dataset-withdrawal", "platform-key-succession", "code-review"])
def test_a_recorded_signature_holds(name: str) -> None:
    key = PublicKey.from_encoded((RECORDED / "documents" / "made-with.pub").read_text())
    assert verify_document(KINDS[name], recorded(name), [key]).protocol == "1.0"


def test_a_recorded_key_file_is_read() -> None:
    key = PrivateKey.load(RECORDED / "identity.pem")
    statement = read(documents.EnrolmentStatement, payload_unverified(recorded("enrolment-statement")))
    assert len(PublicKey.from_encoded(statement.identity_key).raw) == len(key.public.raw)


def test_old_names_are_read_into_new_fields_and_nothing_is_lost() -> None:
    order = read(documents.Order, payload_unverified(recorded("train-order")))
    old = json.loads(payload_unverified(recorded("train-order")))
    assert json.loads(order.inputs["model"].model_dump_json()) == old["model"]
    assert json.loads(order.outputs["update"].model_dump_json()) == {"kind": "update.f32", **old["upload"]}
    document = read(documents.Submission, payload_unverified(recorded("submission")))
    old = json.loads(payload_unverified(recorded("submission")))
    assert json.loads(document.payloads["update"].model_dump_json()) == {"kind": "update.f32", **old["payload"]}
    assert document.evaluation is not None
    assert dict(document.evaluation.figures) == {name: old["evaluation"][name] for name in ("loss", "accuracy", "auc")}


@pytest.mark.parametrize(
    ("name", "more", "field"),
    [
        ("train-order", {"inputs": {}}, "inputs"),
        ("train-order", {"outputs": {}}, "outputs"),
        ("submission", {"payloads": {}}, "payloads"),
        ("manifest", {"privacy_cost": None}, "privacy_cost"),
        ("refusal", {"critical": ["code"]}, "critical"),
        ("train-order", {"surprise": 1}, "surprise"),
    ],
)
def test_what_1_0_did_not_have_is_malformed_in_it(name: str, more: dict[str, Any], field: str) -> None:
    payload = json.loads(payload_unverified(recorded(name))) | more
    with pytest.raises(Invalid, match=r"document\.malformed") as caught:
        read(KINDS[name], json.dumps(payload).encode())
    assert caught.value.field == field


def test_a_table_of_counts_and_a_cost_of_1_0_are_read_as_today() -> None:
    payload = json.loads(payload_unverified(recorded("submission")))
    payload["evaluation"]["confusion"] = {"counts": [[8, 5], [3, 0]]}
    statement = read(documents.Submission, json.dumps(payload).encode())
    assert statement.evaluation is not None
    assert statement.evaluation.figures["confusion"] == ((8, 5), (3, 0))
    manifest = json.loads(payload_unverified(recorded("manifest"))) | {"privacy": {"epsilon": 1.0, "delta": 1e-6}}
    read_now = read(documents.Manifest, json.dumps(manifest).encode())
    assert read_now.privacy_cost == documents.PrivacyCost(epsilon=1.0, delta=1e-6)
    assert read_now.privacy is None
