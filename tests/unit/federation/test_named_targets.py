"""A target that is named: in declarations, manifests and terms. Where none is, bytes and meaning are as before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from federation.agreements.rendering import clauses
from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.datasets import parse_declaration
from federation.protocol.documents import DisclosureTerms, Manifest
from federation.protocol.envelope import payload_unverified
from federation.targets import figures_called
from tests.support.evidence import Played
from tests.unit.federation.test_datasets import changed
from tests.unit.federation.test_protocol_1_0 import recorded

MANIFEST = Played(rounds=1).manifest


def with_target(**target: Any) -> dict[str, Any]:
    data = changed()
    data["steps"][2] = {"step": "target", **target}
    if target["column"] != "status":
        data["steps"].insert(0, {"step": "drop_columns", "columns": ["status"]})
        data["steps"][-1]["columns"].remove(target["column"])
    return data


def test_a_declaration_names_a_target_without_classes() -> None:
    declaration = parse_declaration(with_target(column="amount", kind="real"))
    assert declaration.target_kind.name == "real"
    assert (declaration.n_classes, declaration.class_names) == (None, ())
    assert "amount" not in declaration.features()
    other = parse_declaration(with_target(column="months", kind="real"))
    assert other.schema_digest != declaration.schema_digest


def test_a_declaration_that_names_none_is_written_as_before() -> None:
    declaration = parse_declaration(changed())
    (step,) = (step for step in declaration.model_dump(mode="json")["steps"] if step["step"] == "target")
    assert set(step) == {"step", "column", "positive", "classes", "names"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"column": "amount", "kind": "binary"}, "others follow from the classes"),
        ({"column": "amount", "kind": "survival"}, "others follow from the classes"),
        ({"column": "amount", "kind": "real", "positive": ">0"}, "has no classes"),
        ({"column": "status", "kind": "real", "classes": ["paid", "lost"]}, "has no classes"),
        ({"column": "status", "kind": "real", "names": ["paid"]}, "has no classes"),
        ({"column": "status", "kind": "real"}, "needs a column of numbers"),
        ({"column": "status"}, "either positive or classes"),
    ],
)
def test_a_target_and_what_is_said_of_it_have_to_go_together(target: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_declaration(with_target(**target))
    assert said in caught.value.message


def test_a_manifest_that_names_no_target_has_the_bytes_that_it_had() -> None:
    written = json.loads(MANIFEST.model_dump_json())
    assert "target" not in written
    assert written["n_classes"] == 2
    assert MANIFEST.target_kind.name == "binary"
    old = documents.read(Manifest, payload_unverified(recorded("manifest")))
    assert (old.target, old.target_kind.name) == (None, "binary")


def test_a_manifest_names_a_target_without_classes() -> None:
    written = json.loads(MANIFEST.model_dump_json()) | {"target": "real"}
    del written["n_classes"]
    named = documents.read(Manifest, json.dumps(written).encode())
    assert (named.target_kind.name, named.n_classes) == ("real", None)
    assert json.loads(named.model_dump_json()) == written


@pytest.mark.parametrize("target", ["real", "survival"])
def test_a_manifest_s_target_and_classes_go_together(target: str) -> None:
    with pytest.raises(Invalid):
        documents.read(Manifest, json.dumps(json.loads(MANIFEST.model_dump_json()) | {"target": target}).encode())


def test_a_manifest_without_target_and_classes_is_none() -> None:
    written = json.loads(MANIFEST.model_dump_json())
    del written["n_classes"]
    with pytest.raises(Invalid) as caught:
        documents.read(Manifest, json.dumps(written).encode())
    assert caught.value.code == "document.malformed"


def test_terms_name_the_figures_that_targets_have() -> None:
    every_figure = tuple(figures_called())
    assert {"loss", "accuracy", "auc", "confusion", "mse", "mae", "r2"} <= set(every_figure)
    assert DisclosureTerms(metrics=every_figure, minimum_cell=5).metrics == every_figure
    with pytest.raises(ValidationError, match="The figures are"):
        DisclosureTerms(metrics=("names",), minimum_cell=5)


def test_an_agreement_says_them_in_words() -> None:
    agreement = documents.read(documents.Agreement, payload_unverified(Played(rounds=1).agreement))
    terms = agreement.terms.model_copy(
        update={"disclosure": DisclosureTerms(metrics=("auc", "mse", "r2"), minimum_cell=5)}
    )
    statement = next(
        clause for clause in clauses(agreement.model_copy(update={"terms": terms})) if clause.id == "disclosure"
    )
    assert "area under the ROC curve, mean squared error, R² (share of variance explained)" in " ".join(statement.lines)
