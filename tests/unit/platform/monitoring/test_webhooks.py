"""Signatures and addresses of webhooks."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.webhook_addresses import CARRIES_IPV4, check_address, check_ip, is_outside
from monitoring.webhook_calls import Deadline, resolved
from monitoring.webhooks import _target, host_of, signature
from rest.errors import Unprocessable


def test_the_known_answer_of_standard_webhooks() -> None:
    # Standard Webhooks, reference implementations' test vector (standard-webhooks/standard-webhooks, libraries/)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    reported = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert reported == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_part_is_signed() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    by_name = {
        signature(secret, message_id, timestamp, body)
        for message_id, timestamp, body in [("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y")]
    }
    assert len(by_name) == 4


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.org/", "webhook.address"),
        ("ftp://example.org/", "webhook.address"),
        ("javascript:alert(1)", "webhook.address"),
        ("https://", "webhook.address"),
        ("https://user@example.org/", "webhook.address"),
        ("https://user:word@example.org/", "webhook.address"),
        ("https://example.org:99999/", "webhook.address"),
        ("https://[::1", "webhook.address"),
        ("https://127.0.0.1/", "webhook.private"),
        ("https://10.1.2.3/", "webhook.private"),
        ("https://169.254.169.254/latest/meta-data/", "webhook.private"),
        ("https://[::1]/", "webhook.private"),
        ("https://[::ffff:10.0.0.1]/", "webhook.private"),
        ("https://[fd00::1]/", "webhook.private"),
        ("https://0.0.0.0/", "webhook.private"),
        ("https://224.0.0.1/", "webhook.private"),
        ("https://2130706433/", "webhook.address"),
        ("https://0177.0.0.1/", "webhook.address"),
        ("https://0x7f.1/", "webhook.address"),
        ("https://127.1/", "webhook.address"),
        ("https://127.0.0.1./", "webhook.address"),
        ("https://\uff11\uff12\uff17.0.0.1/", "webhook.private"),
        ("https://example.org%2f@127.0.0.1/", "webhook.address"),
        ("https://exa_mple..org/", "webhook.address"),
        ("https://[fe80::1%25eth0]/", "webhook.private"),
        ("https://[2606:4700::1111%25eth0]/", "webhook.private"),
    ],
)
def test_addresses_that_are_not_to_be_called(url: str, code: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        check_address(url)
    assert caught.value.code == code


SPECIAL = [
    *("0.0.0.1", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.255.255.255", "169.254.169.254", "172.31.0.1"),
    *("192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1"),
    *("192.88.99.1", "192.168.1.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:192.0.0.8", "::ffff:0:127.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::8.8.8.8", "100::1", "100:0:0:1::1"),
    *("2001::1", "2001:0:7f00:1::", "2001:1::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:808:808::", "2620:4f:8000::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fec0::1", "ff02::1", "4000::1"),
    *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:8.8.8.8"),
]
ORDINARY = [
    *(
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.20.0.1",
        "223.255.255.254",
    ),
    *("2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


@pytest.mark.parametrize("text", SPECIAL)
def test_nothing_of_a_special_purpose_is_outside_however_it_is_written(text: str) -> None:
    """From IANA's registries of special-purpose addresses, and IPv6 addresses that carry an IPv4 address."""
    address = ipaddress.ip_address(text)
    assert not is_outside(address)
    host = f"[{text}]" if address.version == 6 else text
    with pytest.raises(Unprocessable) as caught:
        check_address(f"https://{host}/")
    assert caught.value.code == "webhook.private"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_addresses_are_outside(text: str) -> None:
    assert is_outside(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_what_python_holds_for_private_is_never_outside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_outside(address):
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_reserved or any(address in network for network in CARRIES_IPV4)


def test_a_name_is_looked_up_once_and_each_of_its_addresses_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name service answers the second time, which may lead inside, is never asked for."""
    asked = []
    answers = [["8.8.8.8"], ["127.0.0.1"]]

    def look_up(host: str, port: int, **kwargs: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    deadline = Deadline(60, "rebinding.example.org")
    assert resolved("rebinding.example.org", 443, deadline, check_ip) == "8.8.8.8"
    assert asked == ["rebinding.example.org"]
    answers[:] = [["8.8.8.8", "10.0.0.1"]]
    with pytest.raises(Unprocessable):
        resolved("rebinding.example.org", 443, deadline, check_ip)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://example.org/", "example.org"),
        ("https://example.org:8443/", "example.org:8443"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
    ],
)
def test_the_host_header_says_the_name_that_was_given(url: str, authority: str) -> None:
    assert _target(urlsplit(url)).authority == authority


def test_an_ordinary_address_is_fine() -> None:
    check_address("https://hooks.example.org:8443/services/T0/B1?x=1")
    assert host_of("https://hooks.example.org/secret/path") == "hooks.example.org"
