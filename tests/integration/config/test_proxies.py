"""What the web process believes of where a request comes from, over real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models.sign_in import SignInFailure
from demo.services import ROOT
from realtime.proxies import Proxies
from tests.support.live_platform import Client, serving

STRANGER = "198.51.100.9"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("trusted", "seen"),
    [([], "127.0.0.1"), (["10.0.0.0/8"], "127.0.0.1"), (["127.0.0.1"], STRANGER), (["0.0.0.0/0"], "6.6.6.6")],
    ids=["none", "another", "this one", "everybody"],
)
def test_a_wrong_password_is_counted_where_it_came_from(settings: Any, trusted: list[str], seen: str) -> None:
    settings.TRUSTED_PROXIES = Proxies.named(trusted)
    with serving() as port:
        client = Client(port)
        page = client.send("GET", "/sign-in/")
        token = SimpleCookie(page.headers["set-cookie"])["csrftoken"].value
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"csrftoken={token}",
            "X-CSRFToken": token,
            "X-Real-IP": "7.7.7.7",
            "X-Forwarded-For": f"6.6.6.6, {STRANGER}",
        }
        body = urlencode({"username": "ada@example.org", "password": "wrong"}).encode()
        assert client.send("POST", "/sign-in/", body, headers).status == 422
    assert [failure.address for failure in SignInFailure.objects.all()] == [seen]


@pytest.mark.parametrize(
    ("changes", "reported_value"),
    [
        ({"BEHIND_TLS_PROXY": "true"}, "Set TRUSTED_PROXIES to its address"),
        ({"TRUSTED_PROXIES": "nginx"}, "TRUSTED_PROXIES lists addresses"),
        ({"BEHIND_TLS_PROXY": "true", "TRUSTED_PROXIES": "172.18.0.1, unix"}, "((172, 18, 0, 1), True, None, False)"),
        ({"HSTS_PRELOAD": "true"}, "((), False, None, True)"),
    ],
)
def test_settings_say_which_proxy_is_meant(changes: dict[str, str], reported_value: str) -> None:
    script = (
        "from config import settings as s; p = s.TRUSTED_PROXIES; "
        "print((sum((tuple(one[0].packed) for one in p.networks), ()), p.over_a_socket, "
        "getattr(s, 'SECURE_PROXY_SSL_HEADER', None), s.SECURE_HSTS_PRELOAD))"
    )
    path = os.pathsep.join((str(ROOT / "platform"), str(ROOT)))
    given = {**os.environ, "PUBLIC_URL": "https://example.org", "PYTHONPATH": path, **changes}
    done = subprocess.run([sys.executable, "-c", script], env=given, capture_output=True, text=True, check=False)
    assert reported_value in done.stdout + done.stderr


def test_no_server_of_ours_believes_headers_by_itself() -> None:
    """uvicorn trusts anyone who is on the same machine unless it is reported_value not to."""
    for path in ("deploy/Dockerfile", "demo/coordinator.py", "docs/operator.md"):
        assert "--no-proxy-headers" in (ROOT / path).read_text(), path
