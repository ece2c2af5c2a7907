"""``approve`` and ``plans``: what a reviewer sees, what is kept, and what goes to the platform."""

from __future__ import annotations

import asyncio
import builtins
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.errors import FederationError, Invalid
from federation.learning.models import FAMILIES
from federation.plans.declaration import read_plan
from federation.plans.reviews import open_review, sign_review
from federation.protocol import PROTOCOL_VERSION, SPOKEN_VERSIONS
from federation.protocol.documents import CodeReview, now
from federation.protocol.keys import PrivateKey
from federation.targets import TARGETS
from silo_connector import identity, spool
from silo_connector.cli import main
from silo_connector.cli.plans import show_source
from silo_connector.journal import verify
from silo_connector.plans import FOLDER, PLAN, REVIEWS
from silo_connector.trainer.kinds.registry import KINDS
from silo_connector.trainer.protection import PROTECTIONS
from tests.unit.silo_connector.dummy_kind import StateKind
from tests.unit.silo_connector.fake_platform import FakePlatform, problem
from tests.unit.silo_connector.relays import dead, relaying
from tests.unit.silo_connector.runners import EXAMPLE, GOOD, agreed_to, reviewed, store
from tests.unit.silo_connector.sites import Site, make_site, make_site_again

Shown = pytest.CaptureFixture[str]
DIGEST = read_plan(GOOD.encode()).digest


@pytest.fixture
def file(site: Site) -> Path:
    """A plan, as it was downloaded."""
    found = site.folder / "downloaded.py"
    found.write_text(GOOD)
    return found


async def run(*arguments: object) -> int:
    return await asyncio.to_thread(main, [*map(str, arguments)])


def options(site: Site, reviewer: str = "Ada") -> list[object]:
    return ["--config", site.config.path, "--key", site.folder / "signatory.key", "--reviewer", reviewer, "--yes"]


def approvers(site: Site, digest: str = DIGEST) -> int:
    kept = store(site).find(digest)
    return 0 if kept is None else kept.reviewers


def said_by(key: PrivateKey, reviewer: str = "Bob", **changes: Any) -> bytes:
    content = {
        "code_digest": DIGEST,
        "signatory_key": key.public.encoded,
        "reviewer": reviewer,
        "verdict": "approved",
        "reviewed_at": now(),
    }
    return sign_review(CodeReview.model_validate(content | changes), key)


async def test_approving_shows_the_file_and_its_hash_keeps_it_and_queues_the_review(
    site: Site, file: Path, capsys: Shown
) -> None:
    agreed_to(site, read_plan(GOOD.encode()))
    assert await run("approve", file, *options(site), "--note", "Read it twice.") == 0
    shown = capsys.readouterr().out
    assert "    2  import torch" in shown
    assert f"Hash:  {DIGEST}" in shown
    assert "No other training plan has been approved here." in shown
    assert "WARNING" not in shown
    assert approvers(site) == 1
    (folder,) = site.outbox.glob("review-*")
    sealed = (folder / spool.DOCUMENT).read_bytes()
    review = open_review(sealed, site.signatory.public)
    assert (review.code_digest, review.reviewer, review.note) == (DIGEST, "Ada", "Read it twice.")
    assert [(line["event"], line.get("code"), line.get("purpose")) for line in site.journal()[-2:]] == [
        ("code.approved", DIGEST, None),
        ("sent", None, "review"),
    ]
    verify(site.config.trainer_state)
    kept = site.config.trainer_state / FOLDER / DIGEST.removeprefix("sha256:")
    assert (kept / PLAN).read_text() == GOOD
    assert len(list((kept / REVIEWS).iterdir())) == 1


@pytest.mark.parametrize(
    ("verdict", "answer", "code"),
    [("approve", "approve", 0), ("approve", "yes", 1), ("approve", None, 1), ("refuse", " Refuse", 0)],
)
async def test_approving_a_plan_asks_for_confirmation(
    site: Site, file: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, answer: str | None, code: int
) -> None:
    def asked(question: str) -> str:
        assert verdict in question
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(builtins, "input", asked)
    more = ["--refuse"] if verdict == "refuse" else []
    assert await run("approve", file, *options(site)[:-1], *more) == code
    assert bool(list(site.outbox.glob("review-*"))) == (code == 0)


async def test_reviews_count_each_person_s_latest_verdict_once(site: Site, file: Path) -> None:
    assert await run("approve", file, *options(site, "Ada")) == 0
    assert await run("approve", file, *options(site, " ada ")) == 0
    assert approvers(site) == 1
    assert await run("approve", file, *options(site, "Bob")) == 0
    assert approvers(site) == 2
    assert await run("approve", file, *options(site, "Bob"), "--refuse") == 0
    assert approvers(site) == 0
    assert await run("approve", file, *options(site, "Bob")) == 0
    assert approvers(site) == 2


async def test_a_later_verdict_counts_also_where_a_clock_was_ahead(site: Site, file: Path, capsys: Shown) -> None:
    plan = read_plan(GOOD.encode())
    ahead = said_by(site.signatory, "Ada", reviewed_at=now() + timedelta(days=9))
    store(site).keep(plan, ahead)
    assert approvers(site) == 1
    assert await run("approve", file, *options(site, "Ada"), "--refuse") == 0
    assert approvers(site) == 0
    capsys.readouterr()
    elsewhere = site.folder / "review.json"
    elsewhere.write_bytes(said_by(site.signatory, "Ada"))
    assert await run("approve", file, "--import", elsewhere, "--config", site.config.path) == 0
    assert "A later word of the same person" in capsys.readouterr().err
    assert approvers(site) == 0


async def test_what_changed_since_the_plan_that_was_approved_last(site: Site, file: Path, capsys: Shown) -> None:
    before = reviewed(site, GOOD, "Ada")
    reviewed(site, GOOD + "# another\n", "Ada", verdict="refused")
    file.write_text(GOOD.replace("A plan", "Another plan"))
    assert await run("approve", file, *options(site)) == 0
    shown = capsys.readouterr().out
    assert f"What differs from {before.digest}" in shown
    assert '  -    "title": "A plan",' in shown
    assert '  +    "title": "Another plan",' in shown


async def test_what_others_said_is_shown_as_verified_only_with_a_member_s_key(
    site: Site, file: Path, capsys: Shown
) -> None:
    partner, stranger = site.platform.partner, PrivateKey.generate()
    forged = json.loads(said_by(partner, "Eve"))
    forged["signatures"] = json.loads(said_by(stranger, "Eve"))["signatures"]
    entries = [
        {"organisation": "Whoever", "envelope": json.loads(said_by(partner, "Bob", note="Fine."))},
        {"organisation": "Org 1", "envelope": json.loads(said_by(stranger, "Mallory"))},
        {"organisation": "Org 1", "envelope": forged},
        {"organisation": "Org 1", "envelope": json.loads(said_by(partner, "Carl", code_digest="sha256:" + "0" * 64))},
    ]
    reviews = site.folder / "reviews.json"
    reviews.write_text(json.dumps(entries))
    assert await run("approve", file, *options(site), "--reviews", reviews) == 0
    shown = capsys.readouterr().out
    assert "  verified Org 1: " in shown.replace("    ", " ").replace("verified  ", "verified ")
    assert "approved by Bob: Fine." in shown
    for name in ("Mallory", "Eve"):
        assert "NOT VERIFIED" in next(line for line in shown.splitlines() if name in line)
    assert "Carl" not in shown
    reviews.write_text("[7]")
    assert await run("approve", file, *options(site), "--reviews", reviews) == 1
    assert "[reviews.malformed]" in capsys.readouterr().err


async def test_a_key_on_another_machine_reviews_to_a_file_and_the_silo_takes_it(site: Site, file: Path) -> None:
    signed = site.folder / "signed.json"
    elsewhere = ["--key", site.folder / "signatory.key", "--reviewer", "Ada", "--export", signed, "--yes"]
    assert await run("approve", file, *elsewhere) == 0
    assert not store(site).digests()
    for _ in range(2):
        assert await run("approve", file, "--import", signed, "--config", site.config.path) == 0
        assert len(list(site.outbox.glob("review-*"))) == 1
    assert approvers(site) == 1


async def test_what_can_not_be_approved_says_why(site: Site, file: Path, capsys: Shown, tmp_path: Path) -> None:
    async def refused(*arguments: object) -> str:
        assert await run("approve", *arguments) == 1
        return capsys.readouterr().err.rpartition("[")[2].strip().rstrip("]")

    stranger, signed, other = tmp_path / "stranger.key", tmp_path / "signed", tmp_path / "other.py"
    PrivateKey.generate().save(stranger)
    config = ["--config", site.config.path]
    assert await refused(file, *config, "--key", stranger, "--reviewer", "Ada") == "signatory.pinned"
    assert await refused(file, *config, "--reviewer", "Ada") == "arguments"
    assert await refused(file, *config, "--key", stranger, "--reviewer", "  ") == "arguments"
    for unseen in ("Ada\u200b", "\u202eAda", "Ada\u3164", "Ada\x1b[2J"):
        assert await refused(file, *config, "--key", site.folder / "signatory.key", "--reviewer", unseen) == "arguments"
    assert await refused(tmp_path / "nowhere", *options(site)) == "file.unusable"
    other.write_text("import os")
    assert await refused(other, *options(site)) == "plan.undeclared"
    other.write_text(EXAMPLE.read_text())
    signed.write_bytes(said_by(site.signatory))
    assert await refused(other, "--import", signed, *config) == "review.other_plan"
    signed.write_bytes(said_by(PrivateKey.load(stranger)))
    assert await refused(file, "--import", signed, *config) == "signature.invalid"
    signed.write_bytes((site.outbox / "enrolment" / spool.CERTIFICATE).read_bytes())
    assert await refused(file, "--import", signed, *config) == "review.malformed"
    assert not store(site).digests()
    assert not list(site.outbox.glob("review-*"))
    (tmp_path / "plain").mkdir()
    plain = make_site(tmp_path / "plain", site.platform)
    rows = ["--config", plain.config.path, "--key", stranger, "--reviewer", "Ada"]
    assert await refused(file, *rows) == "signatory.missing"


def test_text_of_others_can_not_play_with_the_terminal(capsys: Shown) -> None:
    plan = read_plan((GOOD + "# p\u0430yload\t1\n").encode())
    for in_colour in (False, True):
        show_source(plan, in_colour=in_colour)
        shown = capsys.readouterr().out
        assert ("\x1b[" in shown) == in_colour
        assert "U+0430" in shown
        assert f"WARNING  Line {len(plan.text.splitlines())}" in shown
    show_source(read_plan(GOOD.replace("\n", "\r\n").encode()), in_colour=False)
    assert "\\u000d" not in capsys.readouterr().out


async def test_plans_lists_what_was_reviewed(site: Site, capsys: Shown) -> None:
    assert await run("plans", "--config", site.config.path) == 0
    assert "No training plan has been reviewed here" in capsys.readouterr().out
    reviewed(site, GOOD, "Ada", "Bob")
    reviewed(site, EXAMPLE.read_text(), "Ada", verdict="refused")
    assert await run("plans", "--config", site.config.path) == 0
    out, err = capsys.readouterr()
    assert "approved by 2 people" in out
    assert "approved by nobody" in out
    assert "refused by Ada" in out
    assert "no [runner]" in err


async def test_a_store_that_was_tampered_with_is_not_believed(site: Site) -> None:
    plan = reviewed(site, GOOD, "Ada")
    folder = site.config.trainer_state / FOLDER / plan.digest.removeprefix("sha256:")
    (review,) = (folder / REVIEWS).iterdir()
    genuine = review.read_bytes()

    def unreadable() -> None:
        with pytest.raises(Invalid, match=r"plans\.unreadable"):
            store(site).find(plan.digest)
        with pytest.raises(Invalid, match=r"plans\.unreadable"):
            store(site).keep(plan, genuine)

    (folder / PLAN).write_text(GOOD + "# more\n")
    unreadable()
    (folder / PLAN).unlink()
    (folder / PLAN).symlink_to(EXAMPLE)
    unreadable()
    (folder / PLAN).unlink()
    (folder / PLAN).write_text(GOOD)
    other = said_by(site.signatory, code_digest="sha256:" + "0" * 64)
    for forged in (said_by(site.platform.key), other, b"{}", b"x" * (1 << 20)):
        review.write_bytes(forged)
        unreadable()
    review.write_bytes(genuine)
    assert approvers(site, plan.digest) == 1
    for name in ("sha256:..", "sha256:" + "0" * 64, "../agreements"):
        assert store(site).find(name) is None
    stranger = PrivateKey.generate()
    with pytest.raises(FederationError):
        store(site).keep(plan, said_by(stranger))


async def test_the_relay_submits_the_review(site: Site, platform: FakePlatform, file: Path) -> None:
    platform.fail("/connector/v1/code-reviews", problem(503, "busy"))
    async with relaying(site):
        assert await run("approve", file, *options(site)) == 0
        await platform.until(lambda: platform.reviews)
        await platform.until(lambda: not list(site.outbox.glob("review-*")))
    (document,) = platform.reviews
    assert open_review(json.dumps(document).encode(), site.signatory.public).code_digest == DIGEST


async def test_a_review_that_the_platform_declines_is_put_aside_and_holds_here(
    site: Site, platform: FakePlatform, file: Path
) -> None:
    platform.fail("/connector/v1/code-reviews", problem(409, "review.other_key"))
    async with relaying(site):
        assert await run("approve", file, *options(site)) == 0
        await platform.until(lambda: dead(site))
    ((name, code),) = dead(site).items()
    assert spool.is_review_folder(name)
    assert code == "review.other_key"
    assert approvers(site) == 1


async def test_a_silo_says_what_its_registries_have(site: Site) -> None:
    reported = identity.capabilities(site.config)
    assert reported["protocols"] == list(SPOKEN_VERSIONS)
    assert SPOKEN_VERSIONS[-1] == PROTOCOL_VERSION
    assert reported["kinds"] == sorted(kind.name for kind in KINDS.values())
    assert reported["protection"] == sorted(PROTECTIONS)
    assert set(reported["families"]) == set(FAMILIES) - {"plan"}
    assert reported["targets"] == sorted(TARGETS)
    assert reported["payloads"] == ["statistics.v1", "update.f32"], "of every kind of order"


async def test_a_kind_that_is_added_is_notified_to_the_platform(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silo_connector.trainer.kinds.registry.KINDS", {**KINDS, "state": StateKind()})
    assert StateKind.name in identity.capabilities(site.config)["kinds"]


async def test_a_silo_says_that_it_runs_plans_only_where_it_has_a_runner(site: Site) -> None:
    assert "plan" not in identity.capabilities(site.config)["families"]
    site.config.path.write_text(site.config.path.read_text() + '[runner]\nsocket = "r/s"\n')
    assert "plan" in identity.capabilities(make_site_again(site).config)["families"]
