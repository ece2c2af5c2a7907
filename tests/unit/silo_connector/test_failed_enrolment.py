"""An enrolment that fails, at whatever point: nothing is left of it, and the same command goes on or begins again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from federation.errors import FederationError
from federation.protocol.keys import PrivateKey
from silo_connector import identity, spool
from silo_connector.cli.doctor import examine
from silo_connector.folders import SafeDir
from silo_connector.relay import enrolling
from silo_connector.relay.enrolling import ANSWER, ENROLMENT_FILE, NEW_KEY, TRANSPORT_KEY, enrol
from silo_connector.relay.platform import Platform
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.fake_platform import CUT, Answer, FakePlatform, problem
from tests.unit.silo_connector.sites import ROOT, SIGNATORY, Site, make_site, make_site_again

OTHER = "0000 " * 7 + "0000"


@pytest.fixture
def prepared(tmp_path: Path, platform: FakePlatform) -> Site:
    """A site whose trainer has presented itself."""
    site = make_site(tmp_path, platform)
    identity.make_signatory("Org", tmp_path / SIGNATORY)
    identity.prepare(site.config)
    identity.certify(site.config, PrivateKey.load(tmp_path / SIGNATORY), "Org")
    return site


def left_of(site: Site) -> set[str]:
    """The files in the relay's state, but for the log of what has left."""
    state = site.config.relay_state
    return {file.name for file in state.iterdir()} - {"egress.jsonl"} if state.exists() else set()


def is_whole(site: Site) -> bool:
    """Whether key, answer and what the trainer reads are in place, and belong together."""
    state, key = site.config.relay_state, site.platform.transport
    delivered = site.inbox / "enrolment" / spool.RESPONSE
    return (
        left_of(site) == {TRANSPORT_KEY, ENROLMENT_FILE}
        and PrivateKey.load(state / TRANSPORT_KEY).public == key
        and delivered.read_bytes() == (state / ENROLMENT_FILE).read_bytes()
    )


async def failed(site: Site, code: str | None = None, *, again: bool = False) -> str:
    """The code with which an enrolment fails."""
    with pytest.raises(FederationError) as caught:
        await enrol(site.config, code or site.platform.code, again=again)
    return caught.value.code


def pin(site: Site, old: str, new: str) -> Site:
    """Another key of the platform in connector.toml."""
    site.config.path.write_text(site.config.path.read_text().replace(old, new))
    return make_site_again(site)


async def test_a_wrong_platform_key_is_found_before_the_code_is_used(prepared: Site, platform: FakePlatform) -> None:
    wrong = pin(prepared, prepared.config.platform_key, OTHER)
    assert await failed(wrong) == "enrolment.platform_key"
    assert ("POST", "/connector/v1/enrol") not in platform.requests
    assert (left_of(wrong), platform.code_used_by) == (set(), None)
    assert not (wrong.inbox / "enrolment").exists()
    right = pin(wrong, OTHER, platform.key.public.fingerprint)
    await enrol(right.config, platform.code)
    assert is_whole(right)


@pytest.mark.parametrize(
    ("path", "answer", "code", "left"),
    [
        ("enrolment-code", problem(404, "enrolment.code_unknown"), "enrolment.code_unknown", set()),
        ("enrolment-code", problem(410, "enrolment.code_expired"), "enrolment.code_expired", set()),
        ("enrolment-code", problem(409, "enrolment.code_used"), "enrolment.code_used", set()),
        ("enrolment-code", Answer(404), "enrolment.platform_too_old", set()),
        ("enrolment-code", Answer(body=b"{}"), "enrolment.platform_too_old", set()),
        ("enrolment-code", Answer(body=b'{"platform_keys": []}'), "enrolment.malformed", set()),
        ("enrolment-code", Answer(503), "platform.unavailable", set()),
        ("enrolment-code", CUT, "platform.unreachable", set()),
        ("enrol", problem(422, "enrolment.platform_key"), "enrolment.platform_key", set()),
        ("enrol", problem(422, "certificate.unknown_signatory"), "certificate.unknown_signatory", set()),
        ("enrol", problem(401, "signature.clock"), "signature.clock", set()),
        # nobody knows whether the platform has taken it: the key is kept, and brings the same answer again
        ("enrol", Answer(503), "platform.unavailable", {NEW_KEY}),
        ("enrol", CUT, "platform.unreachable", {NEW_KEY}),
        ("enrol", Answer(201, b"<html>"), "platform.malformed", {NEW_KEY}),
        ("enrol", Answer(201, b"{}"), "enrolment.malformed", {NEW_KEY}),
    ],
)
async def test_whatever_the_platform_answers_the_next_try_works(
    prepared: Site, platform: FakePlatform, path: str, answer: Answer | str, code: str, left: set[str]
) -> None:
    if path == "enrol":
        await _only_the_enrolment(prepared, platform, answer, code)
    else:
        platform.fail("/connector/v1/enrolment-code", answer)
        assert await failed(prepared) == code
    assert left_of(prepared) == left
    await enrol(prepared.config, platform.code)
    assert is_whole(prepared)


async def _only_the_enrolment(site: Site, platform: FakePlatform, answer: Answer | str, code: str) -> None:
    """Let the question about the code through, whose address begins alike, and fail the enrolment itself."""
    original = Platform.post

    async def post(self: Platform, name: str, *words: object) -> object:
        if name == "enrol":
            platform.fail("/connector/v1/enrol", answer)
        return await original(self, name, *words)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Platform, "post", post)
        assert await failed(site) == code


async def test_another_key_in_the_answer_is_not_installed(prepared: Site, platform: FakePlatform) -> None:
    stranger = PrivateKey.generate().public
    keys = [{"key_id": stranger.key_id, "public_key": stranger.encoded}]
    forged = {"silo_id": str(platform.silo_id), "platform_keys": keys}
    await _only_the_enrolment(prepared, platform, Answer(201, json.dumps(forged).encode()), "enrolment.platform_key")
    assert left_of(prepared) == {NEW_KEY}
    assert not (prepared.inbox / "enrolment").exists()
    await enrol(prepared.config, platform.code)
    assert is_whole(prepared)


async def test_a_lost_answer_is_given_again_by_the_same_code(prepared: Site, platform: FakePlatform) -> None:
    platform.answer_to_enrolment = asyncio.Event()
    trying = asyncio.create_task(enrol(prepared.config, platform.code))
    async with asyncio.timeout(FAILS_AFTER_S):
        await platform.enrolment_taken.wait()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    platform.answer_to_enrolment = None
    identity.prepare(prepared.config)  # the trainer presents itself by the same keys, at another time
    await enrol(prepared.config, platform.code)
    assert is_whole(prepared)
    assert await failed(prepared) == "enrolment.done"


class Killed(BaseException):
    """What no handler takes for an error."""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("step", range(6))
async def test_who_is_cut_off_while_the_answer_is_put_in_place_goes_on(
    prepared: Site, platform: FakePlatform, step: int, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if again:
        await enrol(prepared.config, platform.code)
        platform.code, platform.code_used_by = "WXYZ-WXYZ", None
    steps = 0

    def killing(name: str) -> None:
        original = getattr(SafeDir, name)

        def dies_before(self: SafeDir, *words: object, **options: object) -> object:
            nonlocal steps
            steps += 1
            if steps == step + 1:
                raise Killed
            return original(self, *words, **options)

        patch.setattr(SafeDir, name, dies_before)

    with monkeypatch.context() as patch:
        for name in ("replace", "move", "make_folder"):
            killing(name)
        try:
            await enrol(prepared.config, platform.code, again=again)
        except Killed:
            cut_off = True
        else:
            cut_off = False
    if (prepared.config.relay_state / ANSWER).exists():
        found = {finding.check: finding for finding in await examine(prepared.config, "relay", None)}
        assert "cut off" in found["enrolment"].detail
    assert cut_off == (step < steps)
    if cut_off and not _is_in_place(prepared, platform):
        await enrol(prepared.config, platform.code, again=again)
    assert left_of(prepared) == {TRANSPORT_KEY, ENROLMENT_FILE}
    assert PrivateKey.load(prepared.config.relay_state / TRANSPORT_KEY).public == platform.transport
    enrolling.write_platform_answer(  # what the relay does whenever it starts
        prepared.config,
        spool.Spool(prepared.config.spool),
        (prepared.config.relay_state / ENROLMENT_FILE).read_bytes(),
    )
    assert is_whole(prepared)


def _is_in_place(site: Site, platform: FakePlatform) -> bool:
    key = site.config.relay_state / TRANSPORT_KEY
    return left_of(site) == {TRANSPORT_KEY, ENROLMENT_FILE} and PrivateKey.load(key).public == platform.transport


async def test_a_killed_command_is_typed_again(prepared: Site, platform: FakePlatform) -> None:
    async def command() -> asyncio.subprocess.Process:
        words = ("-m", "silo_connector", "enrol", "--config", str(prepared.config.path), "--code", platform.code)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environment, stdout=asyncio.subprocess.DEVNULL
        )

    platform.answer_to_enrolment = asyncio.Event()
    killed = await command()
    async with asyncio.timeout(FAILS_AFTER_S):
        await platform.enrolment_taken.wait()
    killed.kill()
    await killed.wait()
    assert left_of(prepared) == {NEW_KEY}
    platform.answer_to_enrolment = None
    assert await (await command()).wait() == 0
    assert is_whole(prepared)


async def test_half_a_key_is_generated_again(prepared: Site, platform: FakePlatform) -> None:
    prepared.config.relay_state.mkdir()
    (prepared.config.relay_state / NEW_KEY).write_bytes(b"-----BEGIN PRIV")
    await enrol(prepared.config, platform.code)
    assert is_whole(prepared)
