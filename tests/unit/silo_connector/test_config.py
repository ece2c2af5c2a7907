"""connector.toml: what is wrong in it is said with the key at fault."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from federation.errors import Invalid
from silo_connector import config as configuration
from silo_connector import runner_settings
from silo_connector.cli import main
from silo_connector.config import Config
from silo_connector.toml_lines import lines_of
from tests.support.every import every

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
    by_name: dict[str, str | None] = {"platform_url": '"http://platform.example"', "allow_plain_http": "true"}
    assert load(tmp_path, by_name).is_plain_http


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
        ({}, "[training]\nthreads = true\n", "training.threads"),
        ({}, "[training]\nthreds = 1\n", "training.threds"),
        ({}, "[limits]\nminimum_cell = 0\n", "limits.minimum_cell"),
        ({}, "[dataset]\ndeclaration = 1\n", "dataset"),
        ({}, '[[dataset]]\ndeclaration = "d"\npath = "x"\n', "dataset.0.path"),
        ({}, "[[dataset]]\n", "dataset.0.declaration"),
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


WRONG = """\
platform_url = "ftp://me:secret@platform.example"
platform_key = "0123"
trainer_state = 7
relay_state = "relay"
spoool = "spool"

[training]
threads = 0
organisation = "Org"
tolerated_interfaces = [
    "tunl0",
    1,
]
[[dataset]]
declaration = "one.toml"
[[dataset]]
path = "two.toml"
[limits]
minimum_cel = 3
[runner]
cpu_s = true
"""
FAULTS = [
    ("setting.value", 'line 1: platform_url is "ftp://…@platform.example"; expected the platform\'s https://'),
    ("setting.value", 'line 2: platform_key is "0123"; expected the fingerprint'),
    ("setting.type", "line 3: trainer_state is 7; expected the path of a folder."),
    ("setting.unknown", "line 5: spoool is no setting that this version knows. Did you mean spool?"),
    ("setting.value", "line 8: training.threads is 0; expected a whole number of at least 1 and at most 256."),
    ("setting.unknown", "line 9: training.organisation is no setting that this version knows. It belongs at the top"),
    ("setting.type", "line 10: training.tolerated_interfaces.1 is 1; expected text in quotes."),
    ("setting.missing", "line 16: dataset.1.declaration is missing; expected the path of the declaration."),
    ("setting.unknown", "line 17: dataset.1.path is no setting that this version knows."),
    (
        "setting.unknown",
        "line 19: limits.minimum_cel is no setting that this version knows. Did you mean minimum_cell?",
    ),
    ("setting.missing", "line 20: runner.socket is missing"),
    ("setting.type", "line 21: runner.cpu_s is true; expected a whole number of at least 1 and at most 2592000."),
    ("setting.missing", "top of the file: spool is missing; expected the path of a folder."),
]


@pytest.mark.parametrize(
    "command", [["doctor"], ["run", "relay"], ["run", "trainer"], ["run", "runner"], ["data", "check"]]
)
def test_every_command_prints_every_mistake_with_its_line(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(WRONG)
    assert main([*command, "--config", str(file)]) == 1
    output = capsys.readouterr().err
    assert "secret" not in output
    if command[-1] == "runner":  # it reads its own part only
        assert "line 20: runner.socket is missing" in output
        assert "line 21: runner.cpu_s is true" in output
        return
    head, *lines, _ = output.splitlines()
    assert head == f"silo-connector: {file} has {len(FAULTS)} mistakes:"
    assert len(lines) == len(FAULTS)
    for line, (code, begin) in zip(lines, FAULTS, strict=True):
        assert line.startswith(f"  {begin}")
        assert line.endswith(f"[{code}]")


def test_the_doctor_shows_each_mistake_to_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(WRONG)
    assert main(["doctor", "--json", "--config", str(file)]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["check"], one["state"]) for one in findings] == [("connector.toml", "fail")] * len(FAULTS)
    assert findings[0]["detail"].startswith(FAULTS[0][1])


def test_the_runner_and_the_trainer_read_the_same_settings_of_the_runner(tmp_path: Path) -> None:
    for table in (
        "",
        "[runner]\n",
        '[runner]\nsocket = "s"\n',
        '[runner]\nsocket = "s"\ncpu_s = 9\nmemory_bytes = 67108864\n',
    ):
        config = load(tmp_path, more=f'[training]\ntolerated_interfaces = ["tunl0"]\n{table}')
        own = runner_settings.load(config.path)
        assert (own.runner, own.tolerated_interfaces) == (config.runner, config.tolerated_interfaces)
    for wrong in (
        "",
        "answer_timeout_s = 0",
        "answer_timeout_s = 1.5",
        "order_timeout_s = 99999999",
        "socket = 7",
        "cpus = 1",
        'socket = "%s"' % ("x" * 108),
    ):
        rows = []
        for read in (configuration.load, runner_settings.load):
            file = tmp_path / "connector.toml"
            file.write_text(
                "".join(f"{key} = {value}\n" for key, value in GOOD.items()) + f"[runner]\ncpu_s = 1\n{wrong}\n"
            )
            with pytest.raises(Invalid) as caught:
                read(file)
            rows.append(caught.value.message)
        assert rows[0] == rows[1]


LINES = """\
a = 1 # [not a table]
"b#" = '\\' # a comment
c = \"\"\"
[also = "no table"
\\\"\"\"\"\"\"
[t] # with a comment
d.e = { f = [1, [2]], g = "]" }
h = [
  { i = 1 },   # ]
  { j = '''
k = 2''' },
]
[[u.v]]
l = 1
[u.v.w]
m = 1
[[u.v]]
l = 2
"""


def test_the_line_of_each_setting_is_found() -> None:
    found = lines_of(LINES)
    assert lines_of(LINES.replace("\n", "\r\n")) == found
    assert (
        found
        | {
            ("a",): 1,
            ("b#",): 2,
            ("c",): 3,
            ("t",): 6,
            ("t", "d", "e", "g"): 7,
            ("t", "h"): 8,
            ("t", "h", 1, "j"): 8,
            ("u", "v", 0): 13,
            ("u", "v", 0, "l"): 14,
            ("u", "v", 0, "w", "m"): 16,
            ("u", "v", 1): 17,
            ("u", "v", 1, "l"): 18,
        }
        == found
    )


def test_the_samples_have_a_line_for_every_setting() -> None:
    for file in every((Path(__file__).parents[3] / "silo_connector").glob("**/*.toml")):
        text = file.read_text()
        found = lines_of(text)
        settings, rows = tomllib.loads(text), text.splitlines()
        places = {name: (name,) if (name,) in found else (name, 0) for name in settings}
        assert [name for name, place in places.items() if name not in rows[found[place] - 1]] == [], file
        inner = [(name, one) for name, value in settings.items() if isinstance(value, dict) for one in value]
        assert [place for place in inner if not rows[found[place] - 1].startswith(place[1])] == [], file
