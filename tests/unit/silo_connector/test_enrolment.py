"""Getting to know each other: keys, certificate, code, fingerprints; by the commands that silo IT types."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from federation.errors import FederationError, Invalid
from federation.protocol.documents import SiloCertificate, now, sign_document, verify_document
from federation.protocol.keys import PrivateKey
from silo_connector import identity, spool
from silo_connector.cli import main
from silo_connector.relay.enrolling import ENROLMENT_FILE, enrol
from silo_connector.trainer.data import read_declaration
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.sites import Site, make_site


@pytest.fixture
def fresh(tmp_path: Path, platform: FakePlatform) -> Site:
    return make_site(tmp_path, platform)


async def cli(*words: object) -> int:
    """A command, beside the platform's event loop."""
    return await asyncio.to_thread(main, [str(word) for word in words])


async def test_the_commands_of_silo_it_one_after_the_other(
    fresh: Site, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    config, key = fresh.config.path, fresh.folder / "keys" / "signatory.key"
    assert await cli("key", "make", "--organisation", "St. Example", "--out", key) == 0
    assert key.stat().st_mode & 0o077 == 0
    assert await cli("key", "make", "--organisation", "St. Example", "--out", key) == 1
    assert "key.exists" in capsys.readouterr().err
    assert await cli("prepare", "--config", config) == 0
    assert await cli("key", "certify", "--key", key, "--config", config) == 0
    assert await cli("enrol", "--config", config, "--code", platform.code) == 0
    capsys.readouterr()
    assert await cli("fingerprints", "--config", config, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["platform"] == platform.key.public.fingerprint
    assert platform.identity is not None
    assert shown["identity"] == platform.identity.fingerprint
    assert platform.transport is not None
    assert shown["transport"] == platform.transport.fingerprint
    assert shown["signatory"] == PrivateKey.load(key).public.fingerprint
    assert shown["silo_id"] == str(platform.silo_id)
    assert await cli("enrol", "--config", config, "--code", platform.code) == 1
    assert "enrolment.done" in capsys.readouterr().err


async def test_on_one_machine_enrol_does_it_all(tmp_path: Path, platform: FakePlatform) -> None:
    site = make_site(tmp_path, platform, 'signatory_key = "signatory.key"')
    assert await cli("key", "make", "--organisation", "St. Example", "--out", tmp_path / "signatory.key") == 0
    assert await cli("enrol", "--config", site.config.path, "--code", platform.code) == 0
    assert (site.inbox / "enrolment" / spool.RESPONSE).exists()


async def test_a_silo_is_certified_where_the_signatory_key_is(
    fresh: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, certificate = tmp_path / "offline.key", tmp_path / "certificate.json"
    await cli("key", "make", "--organisation", "St. Example", "--out", key)
    await cli("prepare", "--config", fresh.config.path)
    encoded = identity.identity_key(fresh.config).public.encoded
    assert await cli("key", "certify", "--key", key, "--identity-key", encoded, "--out", certificate) == 0
    assert certificate.stat().st_mode & 0o777 == 0o644, "the trainer's user must be able to read what another made"
    assert await cli("prepare", "--config", fresh.config.path, "--certificate", certificate) == 0
    pinned = identity.pinned_signatory(fresh.config)
    assert pinned is not None
    assert pinned.key == PrivateKey.load(key).public
    found = verify_document(SiloCertificate, certificate.read_bytes(), [pinned.key])
    assert found.organisation == "St. Example"
    capsys.readouterr()
    assert await cli("key", "certify", "--key", key) == 1
    assert await cli("key", "certify", "--key", key, "--identity-key", encoded) == 1
    assert await cli("key", "certify", "--key", key, "--identity-key", "nonsense", "--out", certificate) == 1
    assert "key.invalid" in capsys.readouterr().err


async def test_a_file_that_cannot_be_used_is_named(
    fresh: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.json"
    assert await cli("prepare", "--config", fresh.config.path, "--certificate", absent) == 1
    assert f"{absent}: No such file or directory" in (output := capsys.readouterr().err)
    assert "file.unusable" in output


@pytest.mark.parametrize(
    ("command", "missing", "loaded"),
    [
        (["data", "check"], "silo_connector.trainer", ["silo_connector.cli.data"]),
        (["agreements"], "federation.agreements", ["silo_connector.agreements", "silo_connector.cli.agreements"]),
    ],
)
async def test_a_command_of_the_other_containers_side_is_informed_where_to_go(
    fresh: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    missing: str,
    loaded: list[str],
) -> None:
    for name in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.") or name in loaded]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(missing), *sys.meta_path])
    assert await cli(*command, "--config", fresh.config.path) == 1
    assert "docker compose run --rm trainer" in (output := capsys.readouterr().err)
    assert "command.elsewhere" in output


class _Without:
    """An import system as in an image from which a package was removed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


async def test_a_wrong_code_is_reported_and_nothing_is_kept(
    fresh: Site, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    config, key = fresh.config.path, fresh.folder / "signatory.key"
    await cli("key", "make", "--organisation", "Org", "--out", key)
    assert await cli("enrol", "--config", config, "--code", platform.code) == 1
    assert "enrolment.unprepared" in capsys.readouterr().err
    await cli("prepare", "--config", config)
    await cli("key", "certify", "--key", key, "--config", config)
    assert await cli("enrol", "--config", config, "--code", "WRONG") == 1
    assert "enrolment.code_unknown" in capsys.readouterr().err
    assert not (fresh.config.relay_state / ENROLMENT_FILE).exists()
    assert await cli("enrol", "--config", config, "--code", platform.code) == 0


async def test_another_signatory_than_the_pinned_one_is_refused(site: Site) -> None:
    with pytest.raises(Invalid) as caught:
        identity.certify(site.config, PrivateKey.generate(), "Org")
    assert caught.value.code == "signatory.pinned"


def certificate(site: Site, key: PrivateKey, **changes: object) -> bytes:
    content: dict[str, object] = {
        "organisation": "Org",
        "signatory_key": key.public.encoded,
        "identity_key": identity.identity_key(site.config).public.encoded,
        "not_before": now() - timedelta(days=1),
        "not_after": now() + timedelta(days=1),
    }
    return sign_document(SiloCertificate.model_validate(content | changes), key)


@pytest.mark.parametrize(
    "broken",
    [
        lambda site, key: certificate(site, key, identity_key=PrivateKey.generate().public.encoded),
        lambda site, key: certificate(site, key, not_after=now() - timedelta(hours=1)),
        lambda site, key: certificate(site, key, not_before=now() + timedelta(hours=1)),
        lambda site, key: certificate(site, key, signatory_key=PrivateKey.generate().public.encoded),
        lambda site, key: b"nonsense",
        lambda site, key: certificate(site, key)[:-40] + b"}]}",
    ],
)
def test_a_certificate_that_does_not_hold_is_not_installed(
    fresh: Site, broken: Callable[[Site, PrivateKey], bytes]
) -> None:
    identity.prepare(fresh.config)
    with pytest.raises(FederationError):
        identity.install_certificate(fresh.config, broken(fresh, PrivateKey.generate()))
    assert identity.pinned_signatory(fresh.config) is None


async def test_enrolling_again_makes_a_new_transport_key_and_keeps_the_identity(
    site: Site, platform: FakePlatform
) -> None:
    before = platform.transport, platform.identity
    platform.code, platform.code_used_by = "WXYZ-WXYZ", None
    await enrol(site.config, platform.code, again=True)
    assert platform.transport != before[0]
    assert platform.identity == before[1]


async def test_data_check_shows_what_is_wrong_on_the_terminal(fresh: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await cli("data", "check", "--config", fresh.config.path) == 0
    output = capsys.readouterr().out
    assert "39 rows for training, 21 for testing" in output
    assert read_declaration(fresh.folder / "tiny.toml").declaration.schema_digest in output
    assert "1 a\n" in output
    assert "2 b\n" in output
    assert "y >0: 19 (48.7%), 11 (52.4%)" in output
    (fresh.folder / "tiny.csv").write_text("a,b,y\n1,2,0\nx,2,1\n1,x,7\n")
    assert await cli("data", "check", "--config", fresh.config.path) == 1
    output = capsys.readouterr().out
    for line in (
        "line 3, column 'a': 'x' is not",
        "line 4, column 'b': 'x' is not",
        "line 4, column 'y': '7' is above",
    ):
        assert line in output
    assert output.count("data.bad_value") == 3
    assert "tiny.csv" in output


async def test_data_check_shows_all_that_is_wrong_with_a_declaration(
    fresh: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    file = fresh.folder / "tiny.toml"
    file.write_text(file.read_text().replace('"number"', '"numbre"', 1).replace("minimum = 0", 'minimum = "low"'))
    assert await cli("data", "check", "--config", fresh.config.path) == 1
    output = capsys.readouterr().out
    assert "column 'a', type: This has to be 'number'" in output
    assert "column 'y', minimum: This has to be a number." in output


async def test_rows_of_one_class_alone_are_an_error_of_data_check(
    fresh: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (fresh.folder / "tiny.csv").write_text("a,b,y\n" + "1,2,1\n" * 9)
    assert await cli("data", "check", "--config", fresh.config.path) == 1
    output = capsys.readouterr().out
    assert "All rows are of one class, y >0" in output
    assert "data.one_class" in output


async def test_a_command_line_that_makes_no_sense(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dance"])
    assert caught.value.code == 2
    assert main(["prepare", "--config", str(tmp_path / "nothing.toml")]) == 1
    assert "config.unreadable" in capsys.readouterr().err
