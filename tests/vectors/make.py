"""Writes the vectors again: ``python -m tests.vectors.make``. They are frozen: what changes here is a new protocol.

Every key is an Ed25519 key of a seed that stands in the file. Nothing is drawn, and no clock is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.evidence.bundles import Entry, write_bundle
from federation.protocol import documents, envelope, requests
from federation.protocol.digests import digest_bytes
from federation.protocol.keys import PrivateKey

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SILO, JOB = UUID(int=1), UUID(int=2)
SEEDS: dict[str, str] = {}
Vector = dict[str, Any]


def key(name: str) -> PrivateKey:
    """The key of this name."""
    seed = hashlib.sha256(f"consilience test vector key {name}".encode()).digest()
    SEEDS[name] = seed.hex()
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(seed))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def good(name: str, said: dict[str, Any], **given: Any) -> Vector:
    return {"name": name, **given, "expected": {"ok": said}}


def bad(name: str, code: str, **given: Any) -> Vector:
    return {"name": name, **given, "expected": {"error": code}}


def flipped(sealed: bytes) -> bytes:
    """The same envelope with another signature."""
    data = json.loads(sealed)
    signature = data["signatures"][0]["sig"]
    data["signatures"][0]["sig"] = ("0" if signature[0] != "0" else "1") + signature[1:]
    return json.dumps(data, separators=(",", ":")).encode()


def dsse() -> Iterator[Vector]:
    """Envelopes: payload type and payload, and which keys are trusted."""
    kind, payload = "http://example.com/HelloWorld", b"hello world"
    one, two = key("platform"), key("silo")
    sealed = envelope.sign(payload, kind, one)
    both = envelope.sign(payload, kind, one, two)
    given = {"payload_type": kind, "trusted": ["platform"]}
    yield good("one signature", {"payload": b64(payload)}, bytes=b64(sealed), **given)
    yield good("a second signature by a key that is not known", {"payload": b64(payload)}, bytes=b64(both), **given)
    yield bad("another payload type", "envelope.malformed", bytes=b64(sealed), payload_type="x", trusted=["platform"])
    yield bad("a key that is not trusted", "signature.invalid", bytes=b64(sealed), payload_type=kind, trusted=["silo"])
    yield bad("a changed signature", "signature.invalid", bytes=b64(flipped(sealed)), **given)
    other = json.loads(sealed) | {"payload": b64(b"hello worle")}
    yield bad("a changed payload", "signature.invalid", bytes=b64(json.dumps(other).encode()), **given)
    loose = json.loads(sealed) | {"payload": json.loads(sealed)["payload"].rstrip("=")}
    yield bad("base64 without padding", "envelope.malformed", bytes=b64(json.dumps(loose).encode()), **given)
    twice = sealed.replace(b'"payload":', b'"payload":"","payload":', 1)
    yield bad("a name twice", "envelope.malformed", bytes=b64(twice), **given)
    yield bad("no JSON", "envelope.malformed", bytes=b64(b"hello"), **given)


def request_signatures() -> Iterator[Vector]:
    """Requests as a relay signs them (RFC 9421), and the moment at which they come."""
    relay, path, body = key("relay"), "/connector/v1/orders?wait=1", b'{"held":[]}'
    headers = requests.sign_request("POST", path, body, relay, str(SILO), NOW, "n" * 24)
    given = {"method": "POST", "path": path, "headers": headers, "body": b64(body), "now": NOW.isoformat()}
    said = {"key_id": relay.public.key_id, "silo_id": str(SILO), "nonce": "n" * 24}
    yield good("a request with a body", said, **given, known=["relay"])
    bare = requests.sign_request("GET", "/connector/v1/x", None, relay, None, NOW, "n" * 24)
    plain = {"method": "GET", "path": "/connector/v1/x", "headers": bare, "body": "", "now": NOW.isoformat()}
    yield good("a request without body and silo", said | {"silo_id": None}, **plain, known=["relay"])
    changes: dict[str, dict[str, Any]] = {
        "another method": {"method": "PUT"},
        "another path": {"path": "/connector/v1/orders?wait=2"},
        "another body": {"body": b64(b'{"held":[1]}')},
        "another silo": {"headers": headers | {"Consilience-Silo": str(JOB)}},
        "a changed digest": {"headers": headers | {"Content-Digest": headers["Content-Digest"].replace("=:", "a:")}},
    }
    for name, change in changes.items():
        yield bad(name, "signature.invalid", **{**given, **change}, known=["relay"])
    yield bad("an unknown key", "signature.invalid", **given, known=[])
    yield bad("no signature", "signature.missing", **{**given, "headers": {}}, known=["relay"])
    for name, seconds in (("too late", 61), ("too early", -61)):
        moment = (NOW + timedelta(seconds=seconds)).isoformat()
        yield bad(name, "signature.clock", **{**given, "now": moment}, known=["relay"])


def chains() -> Iterator[Vector]:
    """Successions of the platform's key, and certificates of silos' keys by their organisations."""
    first, second, third = key("platform"), key("platform 2"), key("platform 3")

    def follows(old: PrivateKey, new: PrivateKey, number: int, by: PrivateKey | None = None) -> bytes:
        said = documents.PlatformKeySuccession(
            sequence=number,
            predecessor=old.public.key_id,
            public_key=new.public.encoded,
            made_at=NOW + timedelta(days=number),
        )
        return documents.sign_document(said, by or old)

    one, two = follows(first, second, 1), follows(second, third, 2)
    given = {"kind": "succession", "root": "platform", "now": (NOW + timedelta(days=9)).isoformat()}
    yield good("no succession", {"current": first.public.key_id}, **given, links=[])
    yield good("two, in any order", {"current": third.public.key_id}, **given, links=[b64(two), b64(one)])
    yield good("one that leads nowhere", {"current": first.public.key_id}, **given, links=[b64(two)])
    forged = follows(first, second, 1, by=third)
    yield bad("signed by another key", "succession.untrusted", **given, links=[b64(forged)])
    fork = follows(first, third, 1)
    yield bad("two successors of one key", "succession.forked", **given, links=[b64(one), b64(fork)])
    back = follows(second, third, 1)
    yield bad("a number that does not follow", "succession.goes_back", **given, links=[b64(one), b64(back)])
    early = {**given, "now": NOW.isoformat()}
    yield bad("dated in the future", "succession.future", **early, links=[b64(one)])
    signatory, identity, other = key("signatory"), key("silo"), key("another silo")
    certificate = documents.SiloCertificate(
        organisation="Hospital",
        signatory_key=signatory.public.encoded,
        identity_key=identity.public.encoded,
        not_before=NOW,
        not_after=NOW + timedelta(days=30),
    )
    sealed = documents.sign_document(certificate, signatory)
    of_silo = {"kind": "certificate", "signatory": "signatory", "identity": "silo"}
    yield good("a certificate", {"organisation": "Hospital"}, **of_silo, bytes=b64(sealed))
    yield bad(
        "of another silo's key", "cohort.uncertified", **of_silo | {"identity": "another silo"}, bytes=b64(sealed)
    )
    own = b64(documents.sign_document(certificate, identity))
    yield bad("signed by the silo itself", "cohort.uncertified", **of_silo, bytes=own)
    assert other.public != identity.public


def order(**changes: Any) -> documents.Order:
    """An order to train."""
    digest = digest_bytes(b"model")
    fields: dict[str, Any] = {
        "order_id": UUID(int=3),
        "number": 7,
        "silo_id": SILO,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
        "kind": "train",
        "job_id": JOB,
        "manifest_digest": digest_bytes(b"manifest"),
        "round": 1,
        "attempt": 1,
        "inputs": {"model": {"digest": digest, "size_bytes": 5, "url": f"/connector/v1/blobs/{digest}?exp=1"}},
        "outputs": {
            "update": {
                "kind": "update.f32",
                "size_bytes_max": 65536,
                "url": f"/connector/v1/uploads/{UUID(int=3)}/update/{{digest}}?max=65536",
            }
        },
    }
    return documents.Order.model_validate(fields | changes)


def versions(document: documents.Document, signer: PrivateKey) -> Iterator[tuple[str, str | None, bytes]]:
    """What holds of the version of every document: a name, the code or none, and the envelope."""
    said = json.loads(document.model_dump_json())

    def sealed(**changes: Any) -> bytes:
        return envelope.sign(json.dumps(said | changes).encode(), document.payload_type, signer)

    yield "another major version", "protocol.version", sealed(protocol="2.0")
    yield "no version", "protocol.version", sealed(protocol="one")
    yield "an unknown field of this version", "document.malformed", sealed(noise=1)
    yield "an unknown field of a later version", None, sealed(protocol="1.9", noise={"sigma": 1.5})
    yield "a critical field that is not known", "protocol.critical", sealed(protocol="1.9", noise=1, critical=["noise"])
    yield "a critical field that is not there", "protocol.critical", sealed(protocol="1.9", critical=["noise"])
    yield "nothing critical, and said so", "protocol.critical", sealed(critical=[])
    yield "a critical field twice", "protocol.critical", sealed(critical=["round", "round"])
    yield "a critical field that is known", None, sealed(critical=["round"])


def orders() -> Iterator[Vector]:
    """Orders of the platform, as a trainer reads them."""
    platform = key("platform")
    said = {"order_id": str(UUID(int=3)), "kind": "train", "round": 1, "inputs": ["model"], "outputs": ["update"]}
    given = {"trusted": ["platform"]}
    yield good("an order to train", said, **given, bytes=b64(documents.sign_document(order(), platform)))
    bare = order(kind="key_exchange", inputs={}, outputs={})
    summary = said | {"kind": "key_exchange", "inputs": [], "outputs": []}
    yield good("an order that brings nothing", summary, **given, bytes=b64(documents.sign_document(bare, platform)))
    yield bad(
        "by a stranger", "signature.invalid", **given, bytes=b64(documents.sign_document(order(), key("stranger")))
    )
    for name, code, sealed in versions(order(), platform):
        vector = (
            good(name, said, **given, bytes=b64(sealed))
            if code is None
            else bad(name, code, **given, bytes=b64(sealed))
        )
        yield vector
    content = json.loads(order().model_dump_json())
    for name, change in {
        "an input of a name that is a path": {"inputs": {"../model": content["inputs"]["model"]}},
        "more inputs than an order may have": {"inputs": {f"part_{n}": content["inputs"]["model"] for n in range(17)}},
        "a model from elsewhere": {"inputs": {"model": content["inputs"]["model"] | {"url": "https://elsewhere/x"}}},
        "a grant that does not say for what": {
            "outputs": {"update": {"size_bytes_max": 1, "url": "/connector/v1/uploads/x"}}
        },
    }.items():
        sealed = envelope.sign(json.dumps(content | change).encode(), documents.Order.payload_type, platform)
        yield bad(name, "document.malformed", **given, bytes=b64(sealed))
    recorded = (HERE.parent / "fixtures" / "protocol_1_0" / "documents" / "train-order.json").read_bytes()
    old = envelope.sign(envelope.payload_unverified(recorded), documents.Order.payload_type, platform)
    yield bad("of protocol 1.0: it holds, and authorises nothing", "protocol.outdated", **given, bytes=b64(old))


def submissions() -> Iterator[Vector]:
    """Answers of a silo, as the platform reads them."""
    silo, update = key("silo"), digest_bytes(b"update")
    answer = documents.Submission(
        order_id=UUID(int=3),
        number=7,
        kind=documents.OrderKind.TRAIN,
        silo_id=SILO,
        job_id=JOB,
        manifest_digest=digest_bytes(b"manifest"),
        round=1,
        attempt=1,
        model_digest=digest_bytes(b"model"),
        payloads={"update": documents.Payload(kind="update.f32", digest=update, size_bytes=6)},
        training=documents.TrainingReport(rows=100, steps=10, loss=0.5, update_norm_l2=1.25),
        evaluation=documents.EvaluationReport(rows=50, figures={"loss": 0.5, "accuracy": 0.75}),
        environment=documents.Environment(connector_version="0.2.0", network="none"),
        created_at=NOW,
    )
    said = {
        "order_id": str(UUID(int=3)),
        "kind": "train",
        "round": 1,
        "payloads": {"update": ["update.f32", update, 6]},
    }
    given = {"trusted": ["silo"]}
    yield good("an update", said, **given, bytes=b64(documents.sign_document(answer, silo)))
    two = {**answer.payloads, "seeds": documents.Payload(kind="masked.u32", digest=update, size_bytes=6)}
    both = answer.model_copy(update={"payloads": two})
    summary = said | {"payloads": {"update": ["update.f32", update, 6], "seeds": ["masked.u32", update, 6]}}
    yield good("two payloads", summary, **given, bytes=b64(documents.sign_document(both, silo)))
    yield bad(
        "by another silo", "signature.invalid", **given, bytes=b64(documents.sign_document(answer, key("another silo")))
    )
    for name, code, sealed in versions(answer, silo):
        vector = (
            good(name, said, **given, bytes=b64(sealed))
            if code is None
            else bad(name, code, **given, bytes=b64(sealed))
        )
        yield vector
    recorded = (HERE.parent / "fixtures" / "protocol_1_0" / "documents" / "submission.json").read_bytes()
    old = envelope.sign(envelope.payload_unverified(recorded), documents.Submission.payload_type, silo)
    yield bad("of protocol 1.0: it holds, and authorises nothing", "protocol.outdated", **given, bytes=b64(old))


def evidence() -> Iterator[Vector]:
    """Bundles of a job of one round, offline: which faults they have."""
    from tests.support import evidence as support
    from tests.support.of_1_0 import sealed_as_1_0

    numbers = iter(range(1000))
    drawn = PrivateKey.generate
    PrivateKey.generate = classmethod(lambda cls: key(f"of the bundle, {next(numbers)}"))  # type: ignore[method-assign,assignment]
    try:
        played = support.Played(rounds=1)
        entries = played.entries(rounds=1)
        first, *others = played.documents(rounds=1)
        order = documents.read(documents.Order, envelope.payload_unverified(first.content))
        fitting = [replace(first, content=sealed_as_1_0(order, played.platform)), *others]
        older = [*played.grounds(), *fitting, *played.logged(played.events(fitting))]
    finally:
        PrivateKey.generate = drawn  # type: ignore[method-assign]
    pinned = played.platform.public.fingerprint

    def bundle(changed: list[Entry]) -> str:
        return b64(b"".join(write_bundle(changed)))

    yield good("a whole job", {"faults": []}, bytes=bundle(entries), pinned=pinned)
    stranger = key("stranger").public.fingerprint
    yield good(
        "another platform than is known", {"faults": ["bundle.untrusted"]}, bytes=bundle(entries), pinned=stranger
    )
    answer = next(entry for entry in entries if entry.name.startswith("answer/"))
    left = [entry for entry in entries if entry is not answer]
    yield good("an answer that is left out", {"faults": ["answer.left_out"]}, bytes=bundle(left), pinned=pinned)
    spoiled = [replace(entry, content=flipped(entry.content)) if entry is answer else entry for entry in entries]
    yield good("a changed signature", {"faults": []}, bytes=bundle(spoiled), pinned=pinned)
    yield good("an order of protocol 1.0 under a manifest of 1.1", {"faults": []}, bytes=bundle(older), pinned=pinned)
    whole = b"".join(write_bundle(entries))
    yield bad(
        "a truncated bundle", "bundle.truncated", bytes=b64(whole[: whole.rstrip().rfind(b"\n") + 1]), pinned=pinned
    )
    yield bad(
        "a changed line",
        "bundle.changed",
        bytes=b64(whole.replace(b'"name":"manifest"', b'"name":"manifesd"')),
        pinned=pinned,
    )


FILES = {
    "dsse": dsse,
    "request_signatures": request_signatures,
    "chains": chains,
    "evidence": evidence,
    "orders": orders,
    "submissions": submissions,
}


def main() -> None:
    """Write all files."""
    from tests.support.vectors import outcome_of

    for name, make in FILES.items():
        SEEDS.clear()
        vectors = list(make())
        public = {one: key(one).public.encoded for one in SEEDS}
        keys = {one: {"seed": seed, "public_key": public[one]} for one, seed in SEEDS.items()}
        content = {"about": (make.__doc__ or "").strip(), "keys": keys, "vectors": vectors}
        for vector in vectors:
            if name == "evidence" and "ok" in vector["expected"]:
                vector["expected"] = outcome_of(name, vector, content)
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
