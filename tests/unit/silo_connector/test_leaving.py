"""The one allow-list: what may leave the site does, and everything else does not, whatever a document could carry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin
from uuid import uuid4

import pytest
from pydantic import BaseModel, ValidationError

from federation.agreements.rules import LOCAL_POLICY, Violation
from federation.errors import Invalid, Untrusted
from federation.protection.clear import Clear
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    DatasetRegistration,
    DatasetWithdrawal,
    EnrolmentStatement,
    Environment,
    EvaluationReport,
    Manifest,
    Order,
    OrderKind,
    Payload,
    Refusal,
    Submission,
    TrainingReport,
    UploadGrant,
    now,
    verify_document,
)
from federation.protocol.keys import PrivateKey
from federation.protocol.rows import coarse
from federation.protocol.tensors import TensorSpec
from federation.targets import target_of
from silo_connector.trainer.data import read_declaration
from silo_connector.trainer.egress.allowlist import FIELDS, Status
from silo_connector.trainer.egress.filter import Bounds, check_may_leave, leave_signature, sign_if_allowed
from silo_connector.trainer.refusals import REFUSALS, OrderHead, Refused, document, public_code, sentence
from silo_connector.trainer.resources import Resources
from tests.unit.silo_connector.agreed import agreement, signed, terms
from tests.unit.silo_connector.fake_platform import weights_of
from tests.unit.silo_connector.sites import TINY

LAYOUT = (TensorSpec("linear.weight", (1, 2)), TensorSpec("linear.bias", (1,)))
GRANT = UploadGrant(kind="update.f32", size_bytes_max=1 << 20, url="/connector/v1/uploads/x/update/{digest}")
BOUNDS = Bounds(
    OrderKind.TRAIN,
    LAYOUT,
    protection=Clear(),
    outputs={"update": GRANT},
    minimum_cell=5,
    update_norm_l2_max=10.0,
    metrics=frozenset({"loss", "accuracy", "auc", "confusion"}),
    target=target_of("binary", 2),
)
KEY = PrivateKey.generate()
ENVIRONMENT = Environment(connector_version="0.1.0")


@pytest.fixture
def update(tmp_path: Path) -> Path:
    file = tmp_path / "update.safetensors"
    file.write_bytes(weights_of(LAYOUT, 0.5))
    return file


def submission(update: Path | None = None, **changes: Any) -> Submission:
    content: dict[str, Any] = {
        "order_id": uuid4(),
        "number": 1,
        "kind": OrderKind.TRAIN,
        "silo_id": uuid4(),
        "job_id": uuid4(),
        "manifest_digest": digest_bytes(b"m"),
        "round": 1,
        "attempt": 1,
        "model_digest": digest_bytes(b"w"),
        "evaluation": report(loss=0.5, accuracy=0.75, auc=0.8, confusion=confusion(8, 5, 7, 0)),
        "phases_s": {"train": 0.5},
        "environment": ENVIRONMENT,
        "created_at": now(),
    }
    if update is not None:
        data = update.read_bytes()
        content["payloads"] = {"update": Payload(kind="update.f32", digest=digest_bytes(data), size_bytes=len(data))}
        content["training"] = TrainingReport(rows=40, steps=5, loss=0.6, update_norm_l2=1.0)
    return Submission.model_validate(content | changes)


def confusion(*cells: int) -> tuple[tuple[int, ...], ...]:
    return ((cells[0], cells[1]), (cells[2], cells[3]))


def report(rows: int = 20, **figures: Any) -> EvaluationReport:
    return EvaluationReport(rows=rows, figures=figures)


def refused(document: BaseModel, payload: Path | None = None, bounds: Bounds | None = BOUNDS) -> str | None:
    if bounds is not None and not (payload and isinstance(document, Submission)):
        bounds = replace(bounds, outputs={})
    with pytest.raises(Invalid) as caught:
        check_may_leave(document, bounds, {} if payload is None else {"update": payload})
    assert caught.value.code == "egress.not_allowed"
    return caught.value.field


def test_a_training_outcome_leaves_signed(update: Path) -> None:
    document = submission(update)
    assert (
        verify_document(Submission, sign_if_allowed(document, KEY, BOUNDS, {"update": update}), [KEY.public])
        == document
    )


def test_an_evaluation_leaves_without_a_file() -> None:
    check_may_leave(submission(kind=OrderKind.EVALUATE), replace(BOUNDS, kind=OrderKind.EVALUATE, outputs={}))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ledger": {"epsilon": 1}}, "ledger.epsilon"),
        ({"phases_s": {"patient 17": 1.0}}, "phases_s.patient 17"),
        ({"evaluation": report(3, accuracy=0.5)}, "evaluation.rows"),
        ({"evaluation": report(0, accuracy=0.5)}, "evaluation.rows"),
        ({"evaluation": report(confusion=confusion(8, 4, 8, 0))}, "evaluation.figures.confusion"),
        ({"evaluation": report(confusion=confusion(8, 5, 8, 0))}, "evaluation.figures.confusion"),
        ({"training": TrainingReport(rows=40, steps=5, loss=0.6, update_norm_l2=10.1)}, "training.update_norm_l2"),
        ({"payloads": {}}, "payloads"),
    ],
)
def test_what_is_outside_the_bounds_stays(update: Path, changes: dict[str, Any], field: str) -> None:
    assert refused(submission(update, **changes), update) == field


NUMBER = replace(BOUNDS, target=target_of("real", None), metrics=frozenset({"mse", "mae", "r2"}))


def trained(rows: int, loss: float | None) -> TrainingReport:
    return TrainingReport(rows=rows, steps=5, loss=loss, update_norm_l2=1.0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"evaluation": report(mse=1.2345)}, "evaluation.figures.mse"),
        ({"evaluation": report(r2=0.1234)}, "evaluation.figures.r2"),
        ({"evaluation": report(mse=-1.0)}, "evaluation.figures.mse"),
        ({"evaluation": report(4, mse=1.0)}, "evaluation.rows"),
        ({"evaluation": report(accuracy=0.5)}, "evaluation.figures.accuracy"),
        ({"evaluation": report(mse=1.0), "training": trained(40, 1.2345)}, "training.loss"),
        ({"evaluation": report(mse=1.0), "training": trained(4, 1.23)}, "training.loss"),
    ],
)
def test_a_number_s_figures_leave_rounded_and_of_enough_rows(update: Path, changes: dict[str, Any], field: str) -> None:
    assert refused(submission(update, **changes), update, NUMBER) == field
    few = replace(NUMBER, metrics=frozenset({"mae"}))
    assert refused(submission(update, evaluation=None, training=trained(40, 1.23)), update, few) == "training.loss"
    fine = submission(update, evaluation=report(mse=1.23, mae=1.0, r2=0.123), training=trained(40, 1.23))
    check_may_leave(fine, NUMBER, {"update": update})


def test_a_file_without_a_document_and_a_document_without_a_file(update: Path) -> None:
    assert refused(submission(), update) == "payloads"
    assert refused(submission(update)) == "payloads"
    assert refused(refusal("order.expired"), update) == "payloads"
    assert refused(submission(update), update, bounds=None) == "manifest_digest"


def test_a_file_that_is_not_the_job_s_tensors_stays(update: Path, tmp_path: Path) -> None:
    document = submission(update)
    patients = tmp_path / "patients.csv"
    patients.write_text("name,age\nSomebody,77\n")
    assert refused(submission(patients), patients) == "payloads.update"
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights_of((TensorSpec("linear.weight", (1, 3)),)))
    assert refused(submission(other), other) == "payloads.update"
    update.write_bytes(weights_of(LAYOUT, 0.25))
    assert refused(document, update) == "payloads.update.digest"
    wrong_size = {"update": document.payloads["update"].model_copy(update={"size_bytes": 1})}
    update.write_bytes(weights_of(LAYOUT, 0.5))
    assert refused(document.model_copy(update={"payloads": wrong_size}), update) == "payloads.update.size_bytes"


@pytest.mark.parametrize("kind", ["update.i8", "masked.u32", "statistics.v1", "nobody.knows"])
def test_a_payload_of_another_kind_than_was_granted_stays(update: Path, kind: str) -> None:
    document = submission(update)
    other = {"update": document.payloads["update"].model_copy(update={"kind": kind})}
    assert refused(document.model_copy(update={"payloads": other}), update) == "payloads.update.kind"
    granted = replace(BOUNDS, outputs={"update": GRANT.model_copy(update={"kind": kind})})
    assert refused(document.model_copy(update={"payloads": other}), update, granted) in {
        "payloads.update.kind",  # the protection does not allow it
        "payloads.update",  # or the file is none
    }


def test_a_payload_larger_than_its_grant_stays(update: Path) -> None:
    small = replace(BOUNDS, outputs={"update": GRANT.model_copy(update={"size_bytes_max": 10})})
    assert refused(submission(update), update, small) == "payloads.update.size_bytes"


def test_a_file_with_something_hidden_in_its_header_stays(tmp_path: Path) -> None:
    file = tmp_path / "hidden.safetensors"
    plain = weights_of(LAYOUT)
    head_bytes = int.from_bytes(plain[:8], "little")
    head = plain[8 : 8 + head_bytes].rstrip()[:-1] + b',"__metadata__":{"note":"Somebody, 77"}}'
    file.write_bytes(len(head).to_bytes(8, "little") + head + plain[8 + head_bytes :])
    assert refused(submission(file), file) == "payloads.update"


def refusal(code: str, message: str | None = None, **changes: Any) -> Refusal:
    return Refusal(
        order_id=uuid4(),
        number=1,
        silo_id=uuid4(),
        job_id=uuid4(),
        code=code,
        message=REFUSALS[code] if message is None else message,
        environment=ENVIRONMENT,
        created_at=now(),
        **changes,
    )


def test_a_refusal_says_its_code_s_own_sentence_and_nothing_else() -> None:
    for code in REFUSALS:
        check_may_leave(refusal(code))
    assert refused(refusal("data.bad_value", "row 17: Somebody is 277 years old")) == "message"
    assert refused(refusal("made.up", "x")) == "message"
    assert refused(refusal("order.expired", rule="clause 7")) == "rule"
    assert refused(refusal("order.expired", rule="training_limits")) == "rule", (
        "no clause of an agreement has said that"
    )


def test_a_refusal_by_an_agreement_names_its_clause_and_what_was_at_fault() -> None:
    check_may_leave(refusal("agreement.purpose", sentence("agreement.purpose", "DS"), rule="purposes"))
    assert (
        refused(refusal("agreement.purpose", sentence("agreement.purpose", "Somebody"), rule="purposes")) == "message"
    )
    assert refused(refusal("agreement.purpose", rule="Somebody")) == "rule"
    assert refused(refusal("order.expired", sentence("order.expired", "DS"))) == "message"


def test_a_refusal_by_the_site_s_own_policy_names_nothing_unless_the_site_wants_it() -> None:
    hidden = Violation("policy.family", "policy", disclosed_as=LOCAL_POLICY)
    reported_value = Violation("policy.family", "policy", disclosed_as="policy.family")
    head = OrderHead(uuid4(), 1, uuid4(), uuid4())
    first, second = (document(head, Refused.by(decision), ENVIRONMENT) for decision in (hidden, reported_value))
    assert (first.code, first.rule) == (LOCAL_POLICY, None)
    assert (second.code, second.rule) == ("policy.family", "policy")
    check_may_leave(first)
    check_may_leave(second)
    assert refused(first.model_copy(update={"rule": "policy"})) == "rule"
    assert refused(second.model_copy(update={"rule": "training_limits"})) == "rule"


def test_figures_that_the_agreement_does_not_name_stay(update: Path) -> None:
    no_loss = replace(BOUNDS, metrics=frozenset({"accuracy"}))
    assert refused(submission(update, evaluation=None), update, no_loss) == "training.loss"
    only_loss = replace(BOUNDS, kind=OrderKind.EVALUATE, outputs={}, metrics=frozenset({"loss"}))
    check_may_leave(submission(kind=OrderKind.EVALUATE, evaluation=report(loss=0.5)), only_loss)
    for figure in ({"accuracy": 0.5}, {"auc": 0.5}, {"confusion": confusion(10, 0, 0, 10)}):
        more = report(loss=0.5, **figure)
        assert refused(submission(kind=OrderKind.EVALUATE, evaluation=more), bounds=only_loss) in {
            f"evaluation.figures.{name}" for name in figure
        }


def test_a_signature_leaves_with_the_agreement_s_bytes_and_nothing_else() -> None:
    own, other = PrivateKey.generate(), PrivateKey.generate()
    sealed = signed(agreement(uuid4(), terms([own.public, other.public])), own, other)
    stuffed = json.loads(sealed) | {"note": "Somebody, 77"}
    left = json.loads(leave_signature(json.dumps(stuffed).encode(), own.public))
    assert set(left) == {"payload", "payloadType", "signatures"}
    assert left["payload"] == json.loads(sealed)["payload"]
    assert [entry["keyid"] for entry in left["signatures"]] == [own.public.key_id]
    with pytest.raises(Untrusted, match=r"signature\.invalid"):
        leave_signature(sealed, PrivateKey.generate().public)


def test_codes_that_are_not_in_the_table_become_plain_ones() -> None:
    assert public_code("data.bad_value") == "data.bad_value"
    assert public_code("data.column_somebody") == "data.invalid"
    assert public_code("anything.else") == "trainer.failed"


def registration(**changes: Any) -> DatasetRegistration:
    declaration = declared()
    content = {
        "silo_id": uuid4(),
        "declaration": declaration,
        "schema_digest": declaration.schema_digest,
        "rows_coarse": 60,
        "registered_at": now(),
    }
    return DatasetRegistration.model_validate(content | changes)


def declared() -> DatasetDeclaration:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tiny.toml"
        file.write_text(TINY)
        return read_declaration(file).declaration


def test_a_registration_says_rows_coarsely_and_its_own_schema() -> None:
    check_may_leave(registration())
    assert refused(registration(rows_coarse=61)) == "rows_coarse"
    assert refused(registration(schema_digest=digest_bytes(b"other"))) == "schema_digest"


def test_a_withdrawal_names_a_dataset_and_nothing_else() -> None:
    withdrawal = DatasetWithdrawal(silo_id=uuid4(), name="tiny", withdrawn_at=now())
    assert verify_document(DatasetWithdrawal, sign_if_allowed(withdrawal, KEY), [KEY.public]) == withdrawal
    assert set(_fields(DatasetWithdrawal)) == FIELDS[DatasetWithdrawal]
    with pytest.raises(ValidationError):
        DatasetWithdrawal(silo_id=uuid4(), name="Somebody, 77", withdrawn_at=now())


@pytest.mark.parametrize(
    ("rows", "reported_value"),
    [(0, 0), (4, 0), (5, 10), (46, 50), (60, 60), (303, 300), (999, 1000), (1049, 1000), (12345, 12000)],
)
def test_rows_are_reported_in_tens_and_two_digits(rows: int, reported_value: int) -> None:
    assert coarse(rows) == reported_value
    assert coarse(reported_value) == reported_value


def test_a_status_has_a_fixed_vocabulary() -> None:
    good = Status(
        connector_version="0.1.0",
        capabilities={"kinds": ["train"]},
        resources=Resources(memory_free_bytes=1, gpus=("A GPU",)),
        state="idle",
        at=now(),
    )
    check_may_leave(good)
    assert refused(good.model_copy(update={"state": "reading Somebody's file"})) == "state"
    assert refused(good.model_copy(update={"capabilities": {"host": "pc17"}})) == "capabilities.host"


def test_a_statement_shows_no_more_than_what_the_connector_can_do() -> None:
    statement = EnrolmentStatement(
        identity_key=PrivateKey.generate().public.encoded,
        signatory_key=PrivateKey.generate().public.encoded,
        connector_version="0.1.0",
        capabilities={"users": 3},
        created_at=now(),
    )
    assert refused(statement) == "capabilities.users"


def test_other_documents_do_not_leave_at_all() -> None:
    certificate = EvaluationReport(rows=20)
    assert refused(certificate) == "EvaluationReport"


@pytest.mark.parametrize("kind", ["unmask", "nobody_knows"])
def test_no_answer_to_a_kind_of_order_that_is_not_carried_out_leaves(kind: str) -> None:
    bounds = replace(BOUNDS, kind=kind, outputs={})
    assert refused(submission(kind=kind), bounds=bounds) == "kind"
    check_may_leave(submission(kind="evaluate"), replace(bounds, kind="evaluate"))


def _fields(kind: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of everything that a model can carry (what is free-form counts as itself)."""
    if get_origin(kind) is not None and (get_origin(kind) is Union or type(kind).__name__ == "UnionType"):
        for option in get_args(kind):
            yield from _fields(option, path)
    elif get_origin(kind) in (tuple, list) or type(kind).__name__ == "_AnnotatedAlias":
        yield from _fields(get_args(kind)[0], path)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if name == "critical":
                continue  # nothing that a silo says is critical
            yield from _fields(field.annotation, f"{path}.{name}" if path else name)
    elif kind is not type(None):
        yield path


def test_every_field_of_a_declaration_was_looked_at_before_it_may_leave() -> None:
    """Fails when the declaration gets a field: decide whether it may leave, and name it in the allow-list."""
    carried = set(_fields(DatasetRegistration))
    assert {field for field in carried if field.startswith("declaration.")} == {
        field for field in FIELDS[DatasetRegistration] if field.startswith("declaration.")
    }


def test_no_order_is_in_the_list() -> None:
    assert Order not in FIELDS
    assert Manifest not in FIELDS
