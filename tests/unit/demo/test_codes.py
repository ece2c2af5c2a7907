"""The codes of the demo's people, and the command that reports them."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from demo import codes
from demo.__main__ import print_code
from demo.home import Home

# RFC 6238, appendix B, SHA-1; the last six digits of its eight
RFC_6238 = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("at", "digits"), RFC_6238)
def test_codes_of_the_standard(at: int, digits: str) -> None:
    assert codes.code_at(base64.b32encode(b"12345678901234567890").decode(), at) == digits


def test_how_long_a_code_is_shown() -> None:
    assert [codes.seconds_left(at) for at in (0, 1.9, 29, 30)] == [30, 29, 1, 30]


def test_secrets_are_made_once_and_for_the_owner_s_eyes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.second_factors(["a@x", "b@x"])
    assert len(set(first.values())) == 2
    assert home.second_factors(["b@x", "c@x"])["b@x"] == first["b@x"]
    assert set(home.second_factors()) == {"a@x", "b@x", "c@x"}
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600


def test_the_command_prints_the_enrolment_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEMO_DIR", str(tmp_path))
    monkeypatch.setattr("demo.__main__.time.time", lambda: 1234567890.0)
    secret = Home(tmp_path).second_factors(["steward@x"])["steward@x"]
    assert print_code(" Steward@X ") == 0
    output = capsys.readouterr()
    assert output.out == codes.code_at(secret, 1234567890) + "\n"
    assert "for another 30 s" in output.err
    assert print_code("scientist@x") == 1
    assert "steward@x" in capsys.readouterr().err
