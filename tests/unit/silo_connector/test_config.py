"""connector.toml: what is wrong in it is said with the key at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.errors import Invalid
from silo_connector import config as configuration
from silo_connector.config import Config

GOOD = {
    "platform_url": '"https://platform.example"',
    "platform_key": '"0123 4567 89ab cdef 0123 4567 89ab cdef"',
    "spool": '"spool"',
    "trainer_state": '"trainer"',
    "relay_state": '"relay"',
}


def load(tmp_path: Path, changes: dict[str, str | None] | None = None, more: str = "") -> Config:
    values = {key: value for key, value in (GOOD | (changes or {})).items() if value is not None}
    file = tmp_path / "connector.toml"
    file.write_text("".join(f"{key} = {value}\n" for key, value in values.items()) + more)
    return configuration.load(file)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, more='[[dataset]]\ndeclaration = "d.toml"\nsource = "/data/d.csv"\n')
    assert config.spool == tmp_path / "spool"
    assert config.datasets[0].declaration == tmp_path / "d.toml"
    assert config.datasets[0].source == Path("/data/d.csv")
    assert config.limits.minimum_cell == 5


def test_the_sample_can_be_read_and_says_the_defaults() -> None:
    sample = configuration.load(Path(__file__).parents[3] / "silo_connector" / "connector.sample.toml")
    assert sample.limits == configuration.Limits()
    assert sample.training_threads == 1


def test_a_fingerprint_is_taken_however_it_is_spaced(tmp_path: Path) -> None:
    config = load(tmp_path, {"platform_key": '"ed25519:0123456789ABCDEF0123456789abcdef"'})
    assert config.platform_key == "0123 4567 89ab cdef 0123 4567 89ab cdef"


@pytest.mark.parametrize("address", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:80"])
def test_plain_http_to_this_machine(tmp_path: Path, address: str) -> None:
    assert load(tmp_path, {"platform_url": f'"{address}/"'}).platform_url == address


def test_plain_http_elsewhere_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="https"):
        load(tmp_path, {"platform_url": '"http://platform.example"'})
    said: dict[str, str | None] = {"platform_url": '"http://platform.example"', "allow_plain_http": "true"}
    assert load(tmp_path, said).is_plain_http


@pytest.mark.parametrize(
    ("changes", "more", "field"),
    [
        ({"platform_url": None}, "", "platform_url"),
        ({"platform_url": "1"}, "", "platform_url"),
        ({"platform_url": '"https://user:pw@platform.example"'}, "", "platform_url"),
        ({"platform_url": '"https://platform.example/path"'}, "", "platform_url"),
        ({"platform_url": '"https://platform.example:99999"'}, "", "platform_url"),
        ({"platform_url": '"file:///etc/passwd"'}, "", "platform_url"),
        ({"platform_key": '"0123"'}, "", "platform_key"),
        ({"spool": None}, "", "spool"),
        ({"proxy": '"socks5://proxy"'}, "", "proxy"),
        ({"spoool": '"x"'}, "", "spoool"),
        ({}, "[training]\nthreads = 0\n", "training.threads"),
        ({}, "[training]\nthreads = true\n", "threads"),
        ({}, "[training]\nthreds = 1\n", "training.threds"),
        ({}, "[limits]\nminimum_cell = 0\n", "limits.minimum_cell"),
        ({}, "[dataset]\ndeclaration = 1\n", "dataset"),
        ({}, '[[dataset]]\ndeclaration = "d"\npath = "x"\n', "dataset.path"),
        ({}, "[[dataset]]\n", "declaration"),
    ],
)
def test_what_is_wrong_names_its_key(tmp_path: Path, changes: dict[str, str | None], more: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(tmp_path, changes, more)
    assert (caught.value.code, caught.value.field) == ("config.invalid", field)


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"config\.unreadable"):
        configuration.load(tmp_path / "nothing.toml")
    (tmp_path / "broken.toml").write_bytes(b"= \xff")
    with pytest.raises(Invalid, match=r"config\.invalid"):
        configuration.load(tmp_path / "broken.toml")
