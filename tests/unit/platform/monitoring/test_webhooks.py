"""Signatures and addresses of webhooks."""

from __future__ import annotations

import pytest

from monitoring.webhooks import check_address, host_of, signature
from rest.errors import Unprocessable


def test_the_known_answer_of_standard_webhooks() -> None:
    # Standard Webhooks, reference implementations' test vector (standard-webhooks/standard-webhooks, libraries/)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    told = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_part_is_signed() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    told = {
        signature(secret, message_id, timestamp, body)
        for message_id, timestamp, body in [("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y")]
    }
    assert len(told) == 4


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
    ],
)
def test_addresses_that_are_not_to_be_called(url: str, code: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        check_address(url)
    assert caught.value.code == code


def test_an_ordinary_address_is_fine() -> None:
    check_address("https://hooks.example.org:8443/services/T0/B1?x=1")
    assert host_of("https://hooks.example.org/secret/path") == "hooks.example.org"
