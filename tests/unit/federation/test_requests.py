"""Requests are signed whole, for a minute, by a known key; anything else is refused with a code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from federation.errors import Untrusted
from federation.protocol import requests
from federation.protocol.keys import PrivateKey, PublicKey
from federation.protocol.requests import (
    ClockOff,
    claimed_key_id,
    is_understood,
    new_nonce,
    sign_request,
    spoken_version,
    verify_request,
)
from tests.support.every import every
from tests.support.requests_1_0 import sign_request_1_0

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SILO = "0b8f7f0c-90a1-4c0c-8d3a-3a3b9a6a7c11"
PATH = "/connector/v1/orders?x=1&y=%2F"
BODY = b'{"held":[]}'


@pytest.fixture
def key() -> PrivateKey:
    return PrivateKey.generate()


def known(key: PrivateKey) -> Callable[[str], PublicKey | None]:
    return {key.public.key_id: key.public}.get


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Untrusted) as caught:
        call()
    return caught.value.code


def test_signed_request_verifies_and_says_who_and_when(key: PrivateKey) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW, "n" * 24)
    verified = verify_request("POST", PATH, headers, BODY, known(key), NOW + timedelta(seconds=59))
    assert verified.key_id == key.public.key_id
    assert verified.nonce == "n" * 24
    assert verified.created == NOW
    assert verified.silo_id == SILO
    assert headers["Consilience-Protocol"] == "1.1"
    assert claimed_key_id(headers) == key.public.key_id


def test_headers_of_any_case_and_without_body_or_silo(key: PrivateKey) -> None:
    headers = sign_request("GET", "/connector/v1/x", None, key, None, NOW)
    assert "Content-Digest" not in headers
    upper = {name.upper(): value for name, value in headers.items()}
    assert verify_request("GET", "/connector/v1/x", upper, None, known(key), NOW).silo_id is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PATH, BODY),
        ("POST", "/connector/v1/orders?x=2&y=%2F", BODY),
        ("POST", "/connector/v1/orders", BODY),
        ("POST", "/connector/v1/other?x=1&y=%2F", BODY),
        ("POST", PATH, b'{"held":[1]}'),
    ],
)
def test_what_was_not_signed_is_refused(key: PrivateKey, method: str, path: str, body: bytes) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    assert code_of(lambda: verify_request(method, path, headers, body, known(key), NOW)) == "signature.invalid"


def test_a_body_added_to_a_request_signed_without_one_is_refused(key: PrivateKey) -> None:
    headers = sign_request("POST", PATH, None, key, SILO, NOW)
    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, known(key), NOW)) == "signature.invalid"
    uncovered = headers | sign_request("POST", PATH, BODY, key, SILO, NOW)
    uncovered |= {name: headers[name] for name in ("Signature", "Signature-Input")}
    assert code_of(lambda: verify_request("POST", PATH, uncovered, BODY, known(key), NOW)) == "signature.invalid"


def test_the_silo_header_can_be_neither_changed_nor_added(key: PrivateKey) -> None:
    other = "ffffffff-90a1-4c0c-8d3a-3a3b9a6a7c11"
    signed = sign_request("POST", PATH, BODY, key, SILO, NOW)
    changed = signed | {"Consilience-Silo": other}
    assert code_of(lambda: verify_request("POST", PATH, changed, BODY, known(key), NOW)) == "signature.invalid"
    added = sign_request("POST", PATH, BODY, key, None, NOW) | {"Consilience-Silo": other}
    assert code_of(lambda: verify_request("POST", PATH, added, BODY, known(key), NOW)) == "signature.invalid"


@pytest.mark.parametrize("spoken", ["1.0", "1.2", "2.0", ""])
def test_the_version_of_the_protocol_can_be_neither_changed_nor_taken_away(key: PrivateKey, spoken: str) -> None:
    signed = sign_request("POST", PATH, BODY, key, SILO, NOW)
    changed = signed | {"Consilience-Protocol": spoken}
    assert code_of(lambda: verify_request("POST", PATH, changed, BODY, known(key), NOW)) == "signature.invalid"
    del changed["Consilience-Protocol"]
    assert code_of(lambda: verify_request("POST", PATH, changed, BODY, known(key), NOW)) == "signature.invalid"


@pytest.mark.parametrize("spoken", ["1.0", None])
def test_a_request_of_1_0_verifies_and_says_so(key: PrivateKey, spoken: str | None) -> None:
    headers = sign_request_1_0("POST", PATH, BODY, key, SILO, NOW, spoken=spoken)
    assert verify_request("POST", PATH, headers, BODY, known(key), NOW).silo_id == SILO
    assert spoken_version({name.lower(): text for name, text in headers.items()}) == "1.0"
    newer = headers | {"Consilience-Protocol": "1.1"}
    assert code_of(lambda: verify_request("POST", PATH, newer, BODY, known(key), NOW)) == "signature.invalid"


@pytest.mark.parametrize(
    ("spoken", "understood"),
    [("1.1", True), ("1.2", True), ("1.0", False), ("2.0", False), ("1.1.1", False), ("", False), ("11.1", False)],
)
def test_later_minor_versions_are_understood(spoken: str, understood: bool) -> None:
    assert is_understood(spoken) is understood


@pytest.mark.parametrize("seconds", [-61, 61, 86400])
def test_a_clock_more_than_a_minute_off_has_its_own_code(key: PrivateKey, seconds: int) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    then = NOW + timedelta(seconds=seconds)
    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, known(key), then)) == "signature.clock"


def test_only_who_holds_the_key_has_a_clock(key: PrivateKey) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    then = NOW + timedelta(minutes=10)
    with pytest.raises(ClockOff) as caught:
        verify_request("POST", PATH, headers, BODY, known(key), then)
    assert caught.value.skew_s == -600
    stranger = PrivateKey.generate()
    forged = sign_request("POST", PATH, BODY, stranger, SILO, NOW)
    forged["Signature-Input"] = headers["Signature-Input"]
    assert code_of(lambda: verify_request("POST", PATH, forged, BODY, known(key), then)) == "signature.invalid"
    assert code_of(lambda: verify_request("POST", PATH, headers, b"{}", known(key), then)) == "signature.invalid"


def test_a_request_without_signature_is_refused(key: PrivateKey) -> None:
    assert code_of(lambda: verify_request("POST", PATH, {}, BODY, known(key), NOW)) == "signature.missing"


def test_unknown_key_and_somebody_elses_signature(key: PrivateKey) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    stranger = PrivateKey.generate()
    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, known(stranger), NOW)) == "signature.invalid"

    def impostor(_: str) -> PublicKey:
        return stranger.public

    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, impostor, NOW)) == "signature.invalid"


@pytest.mark.parametrize("nonce", ["", "short", "x" * 101])
def test_a_nonce_must_be_long_enough_and_not_too_long(key: PrivateKey, nonce: str) -> None:
    if not nonce:
        headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
        headers = {k: v.replace(";nonce=", ";xnonce=") for k, v in headers.items()}
    else:
        headers = sign_request("POST", PATH, BODY, key, SILO, NOW, nonce)
    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, known(key), NOW)) == "signature.invalid"


@pytest.mark.parametrize(
    "broken",
    [
        {"Signature": "nonsense", "Signature-Input": "nonsense"},
        {"Signature": "sig1=:AAAA:", "Signature-Input": 'sig1=("@method")'},
        {"Signature": "sig1=1", "Signature-Input": "sig1=1"},
        {"Signature": "sig1=:AAAA:", "Signature-Input": 'sig1=();created="x"'},
        {"Signature": "sig1=:AAAA:", "Signature-Input": "sig1=();created=99999999999999"},
        {"Signature": "sig2=:AAAA:", "Signature-Input": "sig2=();created=1"},
        {"Content-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": "md5=:AAAA:"},
    ],
)
def test_malformed_headers_are_refused_never_an_accident(key: PrivateKey, broken: dict[str, str]) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW) | broken
    assert code_of(lambda: verify_request("POST", PATH, headers, BODY, known(key), NOW)).startswith("signature.")


def test_a_path_that_is_no_path_is_refused(key: PrivateKey) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    assert code_of(lambda: verify_request("POST", "/a b", headers, BODY, known(key), NOW)) == "signature.invalid"


def test_every_nonce_is_new_and_long() -> None:
    nonces = {new_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(len(nonce) == 24 for nonce in nonces)


def test_the_second_request_of_a_kind_says_its_own_time_nonce_and_body(key: PrivateKey) -> None:
    """Signature bases are filled into a template: what one request said must not be in the next."""
    first = sign_request("POST", PATH, b"one", key, SILO, now=NOW, nonce="a" * 24)
    later = NOW + timedelta(seconds=30)
    second = sign_request("POST", PATH, b"two", key, SILO, now=later, nonce="b" * 24)
    for headers, body, now in ((first, b"one", NOW), (second, b"two", later)):
        found = verify_request("POST", PATH, headers, body, known(key), now)
        assert found.created == now
        assert found.nonce in headers["Signature-Input"]
    mixed = {**first, "Content-Digest": second["Content-Digest"]}
    assert code_of(lambda: verify_request("POST", PATH, mixed, b"two", known(key), NOW)) == "signature.invalid"


def without_own_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is read by the library."""
    monkeypatch.setattr(requests, "verify_own_form", lambda *_, **__: None)


def test_a_request_of_ours_is_verified_without_being_parsed(key: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    monkeypatch.setattr(requests, "_verify_any_form", lambda *_: pytest.fail("it was parsed"))
    assert verify_request("POST", PATH, headers, BODY, known(key), NOW).silo_id == SILO


@pytest.mark.parametrize(
    ("body", "silo_id"), [(BODY, SILO), (None, SILO), (BODY, None), (None, None), (BODY, "a silo of another kind")]
)
def test_both_ways_to_verify_find_the_same(
    key: PrivateKey, monkeypatch: pytest.MonkeyPatch, body: bytes | None, silo_id: str | None
) -> None:
    headers = sign_request("POST", PATH, body, key, silo_id, NOW)
    found = verify_request("POST", PATH, headers, body, known(key), NOW)
    without_own_form(monkeypatch)
    assert verify_request("POST", PATH, headers, body, known(key), NOW) == found


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest", "Consilience-Silo"])
@pytest.mark.parametrize("own_form", [True, False])
def test_a_header_of_ours_with_any_character_changed_is_refused(
    key: PrivateKey, monkeypatch: pytest.MonkeyPatch, name: str, own_form: bool
) -> None:
    """Of the other way too: what the one refuses, the other does not let in."""
    if not own_form:
        without_own_form(monkeypatch)
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    whole = headers[name]
    for place in every(range(0, len(whole), 1 if own_form else 5)):
        other = "1" if whole[place] != "1" else "2"
        changed = headers | {name: whole[:place] + other + whole[place + 1 :]}
        code = code_of(partial(verify_request, "POST", PATH, changed, BODY, known(key), NOW))
        assert code in {"signature.invalid", "signature.missing"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@method" ', '"@method"  '),
        (";created=", "; created="),
        (';tag="consilience-connector"', ';tag="consilience-connector";alg="ed25519"'),
    ],
)
def test_a_request_in_another_form_is_verified_by_the_library(key: PrivateKey, old: str, new: str) -> None:
    """Spaces that RFC 8941 allows are none that were signed; a parameter that was not signed is refused."""
    headers = sign_request("POST", PATH, BODY, key, SILO, NOW)
    headers["Signature-Input"] = headers["Signature-Input"].replace(old, new)
    verify = partial(verify_request, "POST", PATH, headers, BODY, known(key), NOW)
    if "alg" in new:
        assert code_of(verify) == "signature.invalid"
    else:
        assert verify().key_id == key.public.key_id


def test_an_unknown_key_and_a_clock_that_is_off_are_refused_either_way(
    key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, stranger = sign_request("POST", PATH, BODY, key, SILO, NOW), PrivateKey.generate()
    for own_form in every((True, False)):
        if not own_form:
            without_own_form(monkeypatch)
        refused = code_of(lambda: verify_request("POST", PATH, headers, BODY, known(stranger), NOW))
        assert refused == "signature.invalid"
        with pytest.raises(ClockOff) as caught:
            verify_request("POST", PATH, headers, BODY, known(key), NOW + timedelta(seconds=61))
        assert caught.value.skew_s == -61
