"""Versions of documents: another major is refused, a later minor carries what is unknown, unless it is critical."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.documents import Agreement, Document, Manifest, Order, read
from federation.protocol.documents.versions import CURRENT
from federation.protocol.envelope import payload_unverified
from tests.support.decision_cases import order_of
from tests.support.evidence import Played

PLAYED = Played(rounds=1)
MANIFEST = json.loads(PLAYED.manifest.model_dump_json())
ORDER = json.loads(order_of(PLAYED.manifest).model_dump_json())
AGREEMENT = json.loads(payload_unverified(PLAYED.agreement))


def later(document: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({**document, "protocol": "1.7", **more}).encode()


def refused(kind: type[Document], payload: bytes) -> tuple[str, str | None]:
    with pytest.raises(Invalid) as caught:
        read(kind, payload)
    return caught.value.code, caught.value.field


def test_what_is_written_says_the_current_version_and_names_nothing_critical() -> None:
    assert ORDER["protocol"] == CURRENT == "1.1"
    assert "critical" not in ORDER


@pytest.mark.parametrize("version", ["2.0", "0.9", "11.0", "1", "1.x", "1.1.1", "", 1.1, None, [], "1.-1", "01.1"])
def test_another_major_and_what_is_no_version_are_refused(version: Any) -> None:
    code, field = refused(Order, json.dumps(ORDER | {"protocol": version}).encode())
    assert code in {"protocol.version", "document.malformed"}
    assert field == "protocol"
    if version in {"2.0", "0.9", "11.0"} if isinstance(version, str) else False:
        assert code == "protocol.version"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_unknown_field_of_a_known_version_is_malformed(version: str) -> None:
    assert refused(Order, json.dumps(ORDER | {"protocol": version, "noise": 1}).encode())[0] == "document.malformed"


def test_unknown_fields_of_a_later_version_are_carried_at_any_depth_and_said_again() -> None:
    by_name = {**MANIFEST, "protocol": "1.7", "noise": {"sigma": 1.5}}
    by_name["limits"] = {**by_name["limits"], "bytes_max": 7}
    by_name["protection"] = {**by_name["protection"], "noise": "gaussian"}
    by_name["cohort"] = [{**member, "region": ["CH"]} for member in by_name["cohort"]]
    by_name["layout"] = [{**tensor, "tags": {"frozen": True}} for tensor in by_name["layout"]]
    manifest = read(Manifest, json.dumps(by_name).encode())
    assert manifest.layout == PLAYED.manifest.layout
    assert manifest.limits.update_norm_l2_max == PLAYED.manifest.limits.update_norm_l2_max
    assert json.loads(manifest.model_dump_json()) == by_name
    assert read(Manifest, manifest.model_dump_json().encode()) == manifest


def test_a_later_version_is_no_excuse_for_what_is_known_and_wrong() -> None:
    assert refused(Order, later(ORDER, round=-1)) == ("document.malformed", "round")
    assert refused(Manifest, later(MANIFEST, protection={"mode": "hidden"}))[0] == "document.malformed"


@pytest.mark.parametrize("where", ["agreement", "terms", "term"])
def test_an_agreement_of_a_later_version_with_an_unknown_term_is_refused(where: str) -> None:
    body = json.loads(json.dumps(AGREEMENT))
    place = {"agreement": body, "terms": body["terms"], "term": body["terms"]["cohort"]}[where]
    assert read(Agreement, later(body)).version == AGREEMENT["version"]
    place["noise"] = 1
    assert refused(Agreement, later(body))[0] == "document.malformed"


CRITICAL: list[tuple[str, dict[str, Any]]] = [
    ("empty", {"critical": []}),
    ("no list", {"critical": "noise"}),
    ("no text", {"critical": [7]}),
    ("null", {"critical": None}),
    ("twice", {"critical": ["round", "round"]}),
    ("not there", {"critical": ["noise"]}),
    ("not there, inside", {"critical": ["round.noise"]}),
    ("not known", {"critical": ["noise"], "noise": 1}),
    ("not known, inside", {"critical": ["noise.sigma"], "noise": {"sigma": 1}}),
    ("not known, beside known", {"critical": ["round", "noise"], "noise": 1}),
    ("not known, of a plain object", {"critical": ["parameters.noise"], "parameters": {"noise": 1}}),
    ("too many", {"critical": [f"field_{number}" for number in range(51)]}),
]


@pytest.mark.parametrize(("_name", "more"), CRITICAL, ids=[name for name, _ in CRITICAL])
@pytest.mark.parametrize("version", ["1.1", "1.7"])
def test_a_critical_field_that_is_not_understood_is_refused(_name: str, more: dict[str, Any], version: str) -> None:
    code, _ = refused(Order, json.dumps({**ORDER, "protocol": version, **more}).encode())
    assert code == "protocol.critical" or (version == "1.1" and "noise" in more)


def test_critical_fields_that_are_understood_are_read() -> None:
    order = read(Order, later(ORDER, critical=["round", "parameters"], noise=1))
    assert order.critical == ("round", "parameters")
    by_name = {**MANIFEST, "critical": ["protection.mode", "cohort.dataset", "layout.shape", "limits"]}
    assert read(Manifest, json.dumps(by_name).encode()).critical is not None


def test_a_critical_field_in_some_element_of_a_list_is_refused() -> None:
    body = json.loads(json.dumps(MANIFEST))
    body["cohort"][-1]["noise"] = 1
    assert read(Manifest, later(body)).cohort[-1].model_extra == {"noise": 1}
    assert refused(Manifest, later(body, critical=["cohort.noise"])) == ("protocol.critical", "cohort.noise")
    body["layout"][0]["noise"] = 1
    assert refused(Manifest, later(body, critical=["layout.noise"])) == ("protocol.critical", "layout.noise")


def test_a_named_input_can_be_critical_and_its_unknown_part_not() -> None:
    blob = {"digest": PLAYED.manifest.initial_model_digest, "size_bytes": 1, "url": "/connector/v1/blobs/x"}
    inputs = {"model": {**blob, "noise": 1}}
    assert read(Order, later(ORDER, inputs=inputs, critical=["inputs.model"])).inputs["model"].size_bytes == 1
    assert refused(Order, later(ORDER, inputs=inputs, critical=["inputs.model.noise"]))[0] == "protocol.critical"


def test_a_document_can_not_be_made_of_another_major() -> None:
    with pytest.raises(ValueError, match="protocol 1"):
        documents.StateAcceptance.model_validate({"protocol": "2.0"})
