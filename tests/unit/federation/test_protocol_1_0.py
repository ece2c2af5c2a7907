"""What version 0.1.0 signed under protocol 1.0 is still read and verified: recorded documents, not made ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from federation.agreements.shares import fault_of
from federation.agreements.signing import open_agreement
from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Document, open_sealed, read
from federation.protocol.documents.terms_1_0 import RENAMED, renamed
from federation.protocol.envelope import peek
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


def as_told(kept: Any, said: Any) -> Any:
    """What was read, without fields that came with 1.1: those have their defaults."""
    if isinstance(said, dict) and isinstance(kept, dict):
        return {key: as_told(kept[key], said[key]) for key in said}
    if isinstance(said, list) and isinstance(kept, list) and len(said) == len(kept):
        return [as_told(one, other) for one, other in zip(kept, said, strict=True)]
    return kept


def test_what_1_1_added_says_what_1_0_meant() -> None:
    manifest = read(documents.Manifest, peek(recorded("manifest")))
    assert manifest.weighting is None
    assert {(one.rows_coarse, one.weight_max) for one in manifest.cohort} == {(None, None)}
    agreement = read(documents.Agreement, peek(recorded("agreement")))
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
    payload = peek(recorded(name))
    said = read(KINDS[name], payload)
    assert said.protocol == "1.0"
    kept, told = json.loads(said.model_dump_json()), json.loads(payload)
    if name == "agreement":
        told["terms"] = renamed(told["terms"])
    assert as_told(kept, told) == told, "nothing is read as something else"


def test_terms_of_1_0_are_read_under_the_names_of_today_and_their_bytes_stay() -> None:
    sealed = recorded("agreement")
    opened = open_agreement(sealed)
    said = json.loads(peek(sealed))
    assert set(RENAMED) <= said["terms"].keys()
    assert opened.complete, "the signatures hold over the recorded bytes"
    assert (opened.payload, opened.digest) == (peek(sealed), digest_bytes(peek(sealed)))
    terms = opened.agreement.terms
    assert terms.training_limits.rounds_max == said["terms"]["work"]["rounds_max"]
    assert terms.disclosure.minimum_cell == said["terms"]["leaving"]["minimum_cell"]
    assert terms.amendment.running_jobs == said["terms"]["changes"]["running_jobs"]


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
    said = json.loads(peek(recorded("agreement")))
    within: Any = said["terms"]
    for part in path[:-1]:
        within = within[part]
    within[path[-1]] = value
    with pytest.raises(Invalid, match=r"document\.malformed"):
        read(documents.Agreement, json.dumps(said).encode())


def test_an_agreement_of_1_1_knows_the_names_of_today_only() -> None:
    said = json.loads(peek(recorded("agreement"))) | {"protocol": "1.1"}
    with pytest.raises(Invalid, match=r"document\.malformed"):
        read(documents.Agreement, json.dumps(said).encode())
    read(documents.Agreement, json.dumps(said | {"terms": renamed(said["terms"])}).encode())


@pytest.mark.parametrize("name", ["refusal", "dataset-withdrawal", "platform-key-succession", "code-review"])
def test_a_recorded_signature_holds(name: str) -> None:
    key = PublicKey.from_encoded((RECORDED / "documents" / "made-with.pub").read_text())
    assert open_sealed(KINDS[name], recorded(name), [key]).protocol == "1.0"


def test_a_recorded_key_file_is_read() -> None:
    key = PrivateKey.load(RECORDED / "identity.pem")
    statement = read(documents.EnrolmentStatement, peek(recorded("enrolment-statement")))
    assert len(PublicKey.from_encoded(statement.identity_key).raw) == len(key.public.raw)


def test_what_is_written_now_says_1_1_and_what_comes_later_is_refused() -> None:
    payload = json.loads(peek(recorded("refusal")))
    assert documents.Refusal.model_validate(payload | {"protocol": "1.1"}).protocol == "1.1"
    del payload["protocol"]
    assert documents.Refusal.model_validate(payload).protocol == "1.1"
    for later in ("1.2", "2.0"):
        with pytest.raises(Invalid, match=r"protocol\.version") as caught:
            read(documents.Refusal, json.dumps(payload | {"protocol": later}).encode())
        assert "1.1" in str(caught.value)


def test_the_figures_of_a_1_0_evaluation_are_read_where_they_stood() -> None:
    old = documents.EvaluationReport.model_validate(
        {"rows": 20, "loss": 0.5, "accuracy": 0.75, "auc": 0.8, "confusion": {"counts": [[8, 5], [7, 0]]}}
    )
    new = documents.EvaluationReport(
        rows=20, figures={"loss": 0.5, "accuracy": 0.75, "auc": 0.8, "confusion": ((8, 5), (7, 0))}
    )
    assert old.told == new.told
    assert documents.EvaluationReport.model_validate_json(new.model_dump_json()) == new
    assert documents.EvaluationReport.model_validate_json(old.model_dump_json()) == old


def test_figures_stand_in_one_place() -> None:
    with pytest.raises(ValidationError, match="in one place"):
        documents.EvaluationReport(rows=20, loss=0.5, figures={"loss": 0.4})
