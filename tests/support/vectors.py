"""The frozen vectors, and what the library makes of one: the fields that it is about, or the code of its error."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from federation.errors import FederationError
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import read_bundle
from federation.evidence.verification import verify_evidence
from federation.protocol import documents, envelope, requests
from federation.protocol.documents.versions import check_authorises
from federation.protocol.keys import PublicKey
from federation.protocol.successions import KeyChain

FOLDER = Path(__file__).parents[1] / "vectors"
FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def content_of(file: str) -> dict[str, Any]:
    """A file of vectors."""
    content: dict[str, Any] = json.loads((FOLDER / f"{file}.json").read_text())
    return content


def vectors_of(*files: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each vector with the name of its file and the file's content."""
    for file in files:
        content = content_of(file)
        for vector in content["vectors"]:
            yield file, vector, content


def public_key(content: dict[str, Any], name: str) -> PublicKey:
    """A key of a file."""
    return PublicKey.from_encoded(content["keys"][name]["public_key"])


def outcome_of(file: str, vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """What comes of a vector by the library."""
    try:
        return {"ok": _READERS[file](vector, content)}
    except FederationError as error:
        return {"error": error.code}


def _dsse(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    keys = [public_key(content, name) for name in vector["trusted"]]
    found = envelope.verify(base64.b64decode(vector["bytes"]), vector["payload_type"], keys)
    return {"payload": base64.b64encode(found.payload).decode()}


def _request(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    known = {key.key_id: key for key in (public_key(content, name) for name in vector["known"])}
    moment = datetime.fromisoformat(vector["now"])
    body = base64.b64decode(vector["body"]) or None
    found = requests.verify_request(vector["method"], vector["path"], vector["headers"], body, known.get, moment)
    return {"key_id": found.key_id, "silo_id": found.silo_id, "nonce": found.nonce}


def _chain(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    if vector["kind"] == "certificate":
        from silo_connector.trainer.orders.certificates import verified_span

        signatory, identity = public_key(content, vector["signatory"]), public_key(content, vector["identity"])
        sealed = base64.b64decode(vector["bytes"])
        member = documents.CohortMember(
            silo_id=UUID(int=1),
            organisation="Hospital",
            silo="main",
            dataset_id=UUID(int=2),
            dataset="any",
            schema_digest="sha256:" + "0" * 64,
            identity_key=identity.encoded,
            signatory_key=signatory.encoded,
            certificate=sealed.decode(),
        )
        verified_span([member])
        document = documents.verify_document(documents.SiloCertificate, sealed, [signatory])
        return {"organisation": document.organisation}
    links = [base64.b64decode(link) for link in vector["links"]]
    chain = KeyChain(public_key(content, vector["root"]))
    return {"current": chain.verify_and_extend(links, now=datetime.fromisoformat(vector["now"])).current.key_id}


def _evidence(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    del content
    lines = base64.b64decode(vector["bytes"]).splitlines(keepends=True)
    report = verify_evidence(gather(read_bundle(lines)), vector["pinned"])
    return {"faults": sorted({fault.code for fault in report.faults})}


def _order(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    keys = [public_key(content, name) for name in vector["trusted"]]
    order = documents.verify_document(documents.Order, base64.b64decode(vector["bytes"]), keys)
    check_authorises(order.protocol, "The order")
    return {
        "order_id": str(order.order_id),
        "kind": order.kind,
        "round": order.round,
        "inputs": sorted(order.inputs),
        "outputs": sorted(order.outputs),
    }


def _submission(vector: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    keys = [public_key(content, name) for name in vector["trusted"]]
    document = documents.verify_document(documents.Submission, base64.b64decode(vector["bytes"]), keys)
    check_authorises(document.protocol, "The answer")
    return {
        "order_id": str(document.order_id),
        "kind": document.kind,
        "round": document.round,
        "payloads": {name: [one.kind, one.digest, one.size_bytes] for name, one in document.payloads.items()},
    }


_READERS = {
    "dsse": _dsse,
    "request_signatures": _request,
    "chains": _chain,
    "evidence": _evidence,
    "orders": _order,
    "submissions": _submission,
}
