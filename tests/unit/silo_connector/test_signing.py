"""``sign``, ``suspend`` and ``agreements``: what silo IT sees, what is kept, and what goes to the platform."""

from __future__ import annotations

import asyncio
import builtins
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from federation.agreements.signing import open_agreement
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.journal import verify
from tests.support.every import every
from tests.unit.silo_connector import agreed
from tests.unit.silo_connector.fake_platform import FakePlatform, problem
from tests.unit.silo_connector.relays import dead, relaying
from tests.unit.silo_connector.sites import Site, make_site

Shown = pytest.CaptureFixture[str]


def downloaded(site: Site, **changes: Any) -> Path:
    """The next version of the site's agreement, as it is downloaded: the partner has signed it."""
    kept = site.store.find(site.store.ids()[0])
    assert kept is not None
    of_document = {"agreement_id": kept.signed.agreement.agreement_id, "version": 2, "supersedes": kept.digest}
    of_document |= {name: changes.pop(name) for name in list(of_document) if name in changes}
    statement = agreed.terms([site.signatory.public, site.platform.partner.public], **changes)
    document = agreed.agreement(site.platform.consortium_id, statement, **of_document)
    file = site.folder / f"{uuid4()}.json"
    file.write_bytes(agreed.signed(document, site.platform.partner))
    return file


async def run(site: Site, *arguments: object) -> int:
    return await asyncio.to_thread(main, [*map(str, arguments)])


def options(site: Site) -> list[object]:
    return ["--config", site.config.path, "--key", site.folder / "signatory.key"]


def newest(site: Site) -> int:
    kept = site.store.find(site.store.ids()[0])
    assert kept is not None
    return kept.signed.agreement.version


async def test_signing_shows_the_text_the_changes_and_the_hash_keeps_it_and_queues_the_signature(
    site: Site, capsys: Shown
) -> None:
    file = downloaded(site, notes="Be good.", clear_reason="We know each other.", training_limits={"rounds_max": 7})
    digest = agreed.digest_of(file.read_bytes())
    assert await run(site, "sign", file, *options(site), "--yes") == 0
    shown = capsys.readouterr().out
    assert "DATA-USE AGREEMENT OF HEARTS" in shown
    assert " - A job has at most 100 rounds." in shown
    assert " + A job has at most 7 rounds." in shown
    assert "WARNING" not in shown
    assert f"Hash: {digest}" in shown
    assert site.signatory.public.fingerprint in shown
    assert newest(site) == 2
    sealed = (site.outbox / spool.agreement_folder(digest) / spool.DOCUMENT).read_bytes()
    assert open_agreement(sealed).signed_by == {site.signatory.public.key_id}
    assert open_agreement(sealed).digest == digest
    reported = site.journal()[-2:]
    assert [(line["event"], line.get("purpose")) for line in reported] == [
        ("agreement.signed", None),
        ("sent", "agreement"),
    ]
    assert verify(site.config.trainer_state).lines == len(site.journal())
    egress = (site.config.trainer_state / "egress.jsonl").read_text().splitlines()
    assert json.loads(egress[-1])["purpose"] == "agreement"


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("Yes ", 0), ("y", 1), ("", 1), (None, 1)])
async def test_signing_asks_and_only_yes_is_yes(
    site: Site, capsys: Shown, monkeypatch: pytest.MonkeyPatch, answer: str | None, code: int
) -> None:
    def asked(_: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(builtins, "input", asked)
    assert await run(site, "sign", downloaded(site), *options(site)) == code
    assert newest(site) == (1 if code else 2)
    if code:
        assert "[agreement.not_confirmed]" in capsys.readouterr().err
        assert not list(site.outbox.glob("agreement-*"))


async def test_a_key_on_another_machine_signs_a_file_and_the_silo_takes_it(site: Site, capsys: Shown) -> None:
    file, signed = downloaded(site), site.folder / "signed.json"
    elsewhere = ["--key", site.folder / "signatory.key", "--export", signed, "--yes"]
    assert await run(site, "sign", file, *elsewhere) == 0
    assert newest(site) == 1, "that machine has no configuration"
    assert open_agreement(signed.read_bytes()).complete
    assert await run(site, "sign", file, "--import", signed, "--config", site.config.path) == 0
    assert newest(site) == 2
    assert len(list(site.outbox.glob("agreement-*"))) == 1
    assert await run(site, "sign", "--import", signed, "--config", site.config.path) == 0
    assert len(list(site.outbox.glob("agreement-*"))) == 1
    other = downloaded(site, version=3)
    capsys.readouterr()
    assert await run(site, "sign", other, "--import", signed, "--config", site.config.path) == 1
    assert "[agreement.other_bytes]" in capsys.readouterr().err


async def test_what_can_not_be_signed_says_why(site: Site, capsys: Shown, tmp_path: Path) -> None:
    async def refused(*arguments: object) -> str:
        assert await run(site, "sign", *arguments) == 1
        return capsys.readouterr().err.rpartition("[")[2].strip().rstrip("]")

    stranger = tmp_path / "stranger.key"
    PrivateKey.generate().save(stranger)
    good = downloaded(site)
    assert await refused(good, "--config", site.config.path, "--key", stranger) == "signatory.pinned"
    assert await refused(good, "--key", stranger, "--export", tmp_path / "x") == "agreement.not_a_member"
    assert await refused(good, "--config", site.config.path) == "arguments"
    assert await refused("--config", site.config.path) == "arguments"
    assert await refused("--config", site.config.path, "--import", good) == "agreement.not_signed_by_us"
    assert await refused(tmp_path / "nowhere", *options(site)) == "file.unusable"
    nothing = tmp_path / "nothing"
    nothing.write_text("{}")
    assert await refused(nothing, *options(site)) == "envelope.malformed"
    edited = json.loads(good.read_text())
    edited["payload"] = json.loads(downloaded(site, notes="edited").read_text())["payload"]
    nothing.write_text(json.dumps(edited))
    assert await refused(nothing, *options(site)) == "signature.invalid"
    assert await run(site, "sign", good, *options(site), "--yes") == 0
    assert await refused(downloaded(site, version=1, supersedes=None), *options(site), "--yes") == "agreement.older"
    assert await refused(downloaded(site, notes="x"), *options(site), "--yes") == "agreement.conflict"
    assert newest(site) == 2


async def test_terms_that_contradict_one_another_are_reported_before_signing(site: Site, capsys: Shown) -> None:
    file = downloaded(site, privacy={"required": True, "epsilon_max": 0})
    assert await run(site, "sign", file, *options(site), "--yes") == 0
    assert "WARNING  privacy.epsilon_max: " in capsys.readouterr().out


async def test_text_of_others_can_not_play_with_the_terminal(site: Site, capsys: Shown) -> None:
    file = downloaded(site, notes="harmless\u202eterms \u2028  1. Members")
    assert await run(site, "sign", file, *options(site), "--yes") == 0
    shown = capsys.readouterr().out
    assert not {"\u202e", "\u2028"} & set(shown)
    assert r"harmless\u202eterms" in shown
    assert printable("Zürich\n\x7f") == "Zürich\n\\u007f"
    assert "\n1. Members" not in wrapped("notes\n1. Members")


async def test_a_site_without_a_pinned_key_is_informed_what_to_do(
    tmp_path: Path, platform: FakePlatform, capsys: Shown
) -> None:
    config = make_site(tmp_path, platform).config.path
    for command in (["sign", config], ["agreements"], ["suspend"], ["policy", "check"]):
        key = ["--key", tmp_path / "k"] if command[0] == "sign" else []
        if key and not (tmp_path / "k").exists():
            PrivateKey.generate().save(tmp_path / "k")
            (tmp_path / "a").write_bytes(
                agreed.unsigned(agreed.agreement(uuid4(), agreed.terms([platform.key.public])))
            )
            command = ["sign", tmp_path / "a"]
        assert await asyncio.to_thread(main, [*map(str, command), "--config", str(config), *map(str, key)]) == 1
        assert "[signatory.missing]" in capsys.readouterr().err


async def test_an_agreement_is_suspended_and_lifted_on_premises(site: Site, capsys: Shown) -> None:
    config = ["--config", site.config.path]
    agreement_id = site.store.ids()[0]
    assert await run(site, "suspend", *config, "--reason", "a breach") == 0
    assert await run(site, "agreements", *config) == 0
    shown = capsys.readouterr().out
    assert "SUSPENDED since" in shown
    assert "a breach" in shown
    assert await run(site, "suspend", agreement_id, "--lift", *config) == 0
    assert await run(site, "agreements", *config) == 0
    shown = capsys.readouterr().out
    assert "signed by us" in shown
    assert str(agreement_id) in shown
    assert [line["event"] for line in site.journal()[-2:]] == ["agreement.suspended", "agreement.lifted"]
    assert await run(site, "suspend", uuid4(), *config) == 1
    assert "[agreement.unknown]" in capsys.readouterr().err
    assert await run(site, "suspend", "this", *config) == 1
    assert "[arguments]" in capsys.readouterr().err


async def test_suspending_without_a_name_suspends_all_and_lifting_needs_one(site: Site, capsys: Shown) -> None:
    site.agree()
    config = ["--config", site.config.path]
    assert await run(site, "suspend", *config) == 0
    for agreement_id in every(site.store.ids()):
        kept = site.store.find(agreement_id)
        assert kept is not None
        assert kept.suspension is not None
    assert await run(site, "suspend", "--lift", *config) == 1
    assert "[arguments]" in capsys.readouterr().err


async def test_the_relay_hands_the_signature_in(site: Site, platform: FakePlatform) -> None:
    file = downloaded(site)
    platform.fail("/connector/v1/agreements", problem(503, "busy"))
    async with relaying(site):
        assert await run(site, "sign", file, *options(site), "--yes") == 0
        await platform.until(lambda: platform.signatures)
        await platform.until(lambda: not list(site.outbox.glob("agreement-*")))
    (document,) = platform.signatures
    opened = open_agreement(json.dumps(document).encode())
    assert (opened.digest, opened.signed_by) == (
        agreed.digest_of(file.read_bytes()),
        frozenset({site.signatory.public.key_id}),
    )


async def test_a_signature_that_the_platform_declines_is_put_aside_with_the_reason(
    site: Site, platform: FakePlatform
) -> None:
    file = downloaded(site)
    platform.fail("/connector/v1/agreements", problem(409, "agreement.wrong_state"))
    async with relaying(site):
        assert await run(site, "sign", file, *options(site), "--yes") == 0
        await platform.until(lambda: dead(site))
    name = spool.agreement_folder(agreed.digest_of(file.read_bytes()))
    assert dead(site) == {name: "agreement.wrong_state"}
    assert newest(site) == 2, "what was signed stays signed here"
