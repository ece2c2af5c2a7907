"""The doctor: says what is wrong, what to do, and nothing else; its exit code says whether something does not work."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from federation.protocol.documents import now
from silo_connector import identity, spool
from silo_connector.cli import main
from silo_connector.cli.doctor import examine, installed
from silo_connector.doctor import connection
from silo_connector.doctor import site as site_checks
from silo_connector.doctor.findings import Finding, State
from silo_connector.instance import acquire_process_lock
from silo_connector.relay.enrolling import ENROLMENT_FILE, TRANSPORT_KEY
from silo_connector.relay.errors import Unreachable
from silo_connector.relay.platform import Platform
from silo_connector.trainer.store.audit_checkpoints import FILE
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.fake_platform import Answer, FakePlatform, problem
from tests.unit.silo_connector.sites import Site, make_site, make_site_again


async def findings(site: Site, side: str = "both", code: str | None = None) -> dict[str, Finding]:
    """The worst finding of each check."""
    order = list(State)
    worst: dict[str, Finding] = {}
    for finding in await examine(site.config, side, code):
        if finding.check not in worst or order.index(finding.state) > order.index(worst[finding.check].state):
            worst[finding.check] = finding
    return worst


async def test_a_good_site_has_nothing_that_fails(site: Site) -> None:
    found = await findings(site)
    assert {check: finding.state for check, finding in found.items()} == {
        "spool": "ok",
        "disk": found["disk"].state,
        "identity key": "ok",
        "signatory": "ok",
        "certificate": "ok",
        "policy": "ok",
        "gpu": "ok",
        "agreements": "ok",
        "journal": "ok",
        "state": "ok",
        "record": "skip",
        "data": "ok",
        "isolation": "skip",
        "transport key": "ok",
        "platform": "ok",
        "clock": "ok",
        "platform key": "ok",
        "pinned key": "ok",
        "enrolment": "ok",
        "relay": "warn",
        "trainer": "warn",
    }


@pytest.mark.parametrize(
    ("sides", "looked_at"), [(["relay"], "relay"), (["trainer"], "trainer"), (["relay", "trainer"], "both")]
)
def test_doctor_checks_the_side_that_its_container_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sides: list[str], looked_at: str
) -> None:
    package = tmp_path / f"image_of_{'_'.join(sides)}"
    for folder in (package, *(package / side for side in sides)):
        folder.mkdir()
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert installed(package.name) == looked_at


async def test_the_command_prints_a_table_or_json_and_says_by_its_code(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(site.config.path)
    assert await asyncio.to_thread(main, ["doctor", "--config", config]) == 0
    assert "ok    data" in capsys.readouterr().out
    (site.folder / "tiny.csv").unlink()
    assert await asyncio.to_thread(main, ["doctor", "--config", config, "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["ok"] is False
    (wrong,) = [finding for finding in body["findings"] if finding["state"] == "fail"]
    assert wrong["check"] == "data"
    assert wrong["remedy"]


async def test_doctor_compares_files_with_what_the_running_trainer_uses(site: Site) -> None:
    file = site.folder / "tiny.toml"
    held = acquire_process_lock(site.config.trainer_state, "trainer")
    try:
        assert (await findings(site, "trainer"))["data in use"].state is State.WARN, "it has said nothing yet"
        trainer = Trainer(site.config)
        trainer.process_inbox()
        assert "data in use" not in await findings(site, "trainer")
        file.write_text(file.read_text().replace("seed = 43", "seed = 44"))
        found = await findings(site, "trainer")
        assert found["data"].state is State.OK
        assert found["data in use"].state is State.FAIL
        assert "as it was declared before" in found["data in use"].detail
        trainer.process_inbox()
        trainer.close()
        assert "data in use" not in await findings(site, "trainer")
    finally:
        os.close(held)
    file.write_text(file.read_text().replace("seed = 44", "seed = 45"))
    assert "data in use" not in await findings(site, "trainer"), "none runs"


async def test_doctor_checks_each_side_by_itself(site: Site) -> None:
    assert "platform" not in await findings(site, "trainer")
    assert "data" not in await findings(site, "relay")


async def test_a_site_that_is_not_enrolled(tmp_path: Path, platform: FakePlatform) -> None:
    found = await findings(make_site(tmp_path, platform))
    assert found["identity key"].state == "fail"
    assert found["enrolment"].state == "warn"
    assert found["platform"].state == "ok"


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        (problem(403, "silo.unconfirmed"), "warn", "not confirmed"),
        (problem(403, "silo.revoked"), "fail", "revoked"),
        (problem(426, "protocol.version"), "fail", "protocol.version"),
        (problem(401, "signature.clock"), "fail", "clock"),
        (problem(401, "signature.invalid"), "fail", "signature.invalid"),
        (Answer(503), "fail", "503"),
    ],
)
async def test_doctor_reports_each_enrolment_state(
    site: Site, platform: FakePlatform, answer: Answer, state: str, says: str
) -> None:
    platform.fail("/connector/v1/orders", answer)
    found = (await findings(site))["enrolment"]
    assert (found.state, says in found.detail) == (state, True)


async def test_a_connector_that_speaks_an_older_protocol_is_notified_to_upgrade(
    site: Site, platform: FakePlatform
) -> None:
    platform.fail("/connector/v1/orders", problem(426, "protocol.version"))
    assert "Install the connector's version" in (await findings(site))["enrolment"].remedy


async def test_doctor_reports_a_platform_that_does_not_listen(site: Site, platform: FakePlatform) -> None:
    text = site.config.path.read_text().replace(platform.url, "http://127.0.0.1:9")
    site.config.path.write_text(text)
    moved = make_site_again(site)
    found = await findings(moved)
    assert found["platform"].state == "fail"
    assert "platform_url" in found["platform"].remedy


@pytest.mark.parametrize(("skew_s", "state"), [(0.0, "ok"), (-9.0, "ok"), (30.0, "warn"), (-61.0, "fail")])
async def test_doctor_reports_a_wrong_clock(
    site: Site, monkeypatch: pytest.MonkeyPatch, skew_s: float, state: str
) -> None:
    def compare(self: Platform, _: str | None) -> None:
        self.clock_skew_s = skew_s

    monkeypatch.setattr(Platform, "_compare_clocks", compare)
    assert (await findings(site))["clock"].state == state


async def test_doctor_findings_have_unique_codes(tmp_path: Path, platform: FakePlatform) -> None:
    site = make_site(tmp_path, platform)
    found = await findings(site, "relay", platform.code)
    assert (found["code"].state, found["pinned key"].state) == ("ok", "ok")
    platform.fail("/connector/v1/enrolment-code", problem(410, "enrolment.code_expired"))
    found = await findings(site, "relay", platform.code)
    assert (found["code"].state, "code_expired" in found["code"].detail) == ("fail", True)
    for says_nothing in (Answer(404), Answer(body=b'{"state": "valid", "silo": "North"}')):
        platform.fail("/connector/v1/enrolment-code", says_nothing)
        found = await findings(site, "relay", platform.code)
        assert (found["code"].state, "platform_too_old" in found["code"].detail) == ("fail", True)


async def test_a_code_of_another_platform_than_the_pinned_one(tmp_path: Path, platform: FakePlatform) -> None:
    site = make_site(tmp_path, platform)
    text = site.config.path.read_text().replace(site.config.platform_key, "0000 " * 7 + "0000")
    site.config.path.write_text(text)
    found = await findings(make_site_again(site), "relay", platform.code)
    assert (found["code"].state, found["pinned key"].state) == ("ok", "fail")
    assert "code is not used up" in found["pinned key"].remedy
    assert platform.code_used_by is None


async def test_doctor_reports_another_platform_key(site: Site) -> None:
    text = site.config.path.read_text().replace(site.config.platform_key, "0000 " * 7 + "0000")
    site.config.path.write_text(text)
    assert (await findings(make_site_again(site)))["pinned key"].state == "fail"


@pytest.mark.parametrize("file", ["trainer/identity.key", f"relay/{TRANSPORT_KEY}"])
async def test_a_key_that_others_can_read(site: Site, file: str) -> None:
    (site.folder / file).chmod(0o644)
    check = "identity key" if "identity" in file else "transport key"
    found = (await findings(site))[check]
    assert (found.state, found.remedy.startswith("chmod 600")) == ("fail", True)


@pytest.mark.parametrize(("days_later", "state"), [(0, "ok"), (700, "warn"), (731, "fail")])
async def test_doctor_reports_the_days_that_a_certificate_is_valid(
    site: Site, monkeypatch: pytest.MonkeyPatch, days_later: int, state: str
) -> None:
    later = now() + timedelta(days=days_later)

    class Clock:
        @staticmethod
        def now(_: object) -> object:
            return later

    monkeypatch.setattr(site_checks, "datetime", Clock)
    (found,) = [finding for finding in site_checks.look_at_keys(site.config) if finding.check == "certificate"]
    assert found.state == state


def spoil_pin(site: Site) -> None:
    (site.config.trainer_state / identity.SIGNATORY_PIN).write_text("{}")


def remove_pin(site: Site) -> None:
    (site.config.trainer_state / identity.SIGNATORY_PIN).unlink()


@pytest.mark.parametrize("spoil", [spoil_pin, remove_pin])
async def test_doctor_reports_a_lost_signatory_key(site: Site, spoil: Callable[[Site], None]) -> None:
    spoil(site)
    assert (await findings(site, "trainer"))["signatory"].state == "fail"


async def test_a_spool_that_can_not_be_written(site: Site) -> None:
    place = site.config.spool / "tmp"
    place.rmdir()
    place.write_text("in the way")
    found = await findings(site, "trainer")
    assert found["spool"].state == "fail"


async def test_a_spool_that_everybody_may_write(site: Site) -> None:
    site.config.spool.chmod(0o777)
    assert (await findings(site, "trainer"))["spool"].state == "warn"


async def test_doctor_reports_what_was_quarantined(site: Site) -> None:
    from silo_connector.spool import Spool

    (site.outbox / "dataset-0123456789abcdef").mkdir()
    Spool(site.config.spool).quarantine("outbox", "dataset-0123456789abcdef", "dead", "some.code", "why")
    found = (await findings(site, "trainer"))["dead"]
    assert (found.state, "some.code" in found.detail) == ("warn", True)


async def test_doctor_reports_a_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_bavail, f_frsize = 1, 1024

    monkeypatch.setattr(os, "statvfs", lambda _: Disk())
    assert (await findings(site, "trainer"))["disk"].state == "fail"


async def test_isolation_of_a_running_trainer(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_checks, "running", lambda *_: 17)
    net = tmp_path / "proc" / "17" / "net"
    net.mkdir(parents=True)
    (net / "dev").write_text("a\nb\n lo: 0\n")
    (found,) = site_checks.look_at_isolation(site.config, tmp_path / "proc")
    assert found.state == "ok"
    (net / "dev").write_text("a\nb\n lo: 0\n eth0: 0\n")
    (found,) = site_checks.look_at_isolation(site.config, tmp_path / "proc")
    assert (found.state, "eth0" in found.detail) == ("warn", True)


async def test_doctor_reports_a_silent_trainer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_checks, "running", lambda *_: 17)
    status = {"at": (now() - timedelta(minutes=5)).isoformat()}
    (site.config.spool / spool.STATUS).write_text(json.dumps(status))
    assert (await findings(site, "trainer"))["trainer"].state == "warn"
    (site.config.spool / spool.STATUS).write_text("nonsense")
    assert (await findings(site, "trainer"))["trainer"].state == "ok"


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("certificate verify failed", "ca_file"),
        ("getaddrinfo failed", "DNS"),
        ("Connection refused", "runs"),
        ("timed out", "firewall"),
    ],
)
def test_doctor_s_remedy_fits_the_fault_of_the_connection(message: str, says: str) -> None:
    assert says in connection._advice(Unreachable("platform.unreachable", message))


async def test_doctor_reports_a_broken_enrolment(site: Site) -> None:
    (site.config.relay_state / ENROLMENT_FILE).write_text("{}")
    assert (await findings(site))["enrolment"].state == "fail"


async def test_what_binds_the_site_is_looked_at(site: Site) -> None:
    async def found(check: str) -> tuple[str, str]:
        finding = (await findings(make_site_again(site), "trainer"))[check]
        return finding.state.value, finding.detail

    (agreement_id,) = site.store.ids()
    file = site.config.trainer_state / "agreements" / f"{agreement_id}.json"
    site.store.suspend(agreement_id, "")
    assert (await found("agreements"))[0] == "warn"
    assert "suspended" in (await found("agreements"))[1]
    file.write_text("{}")
    assert (await found("agreements"))[0] == "fail"
    file.unlink()
    assert await found("agreements") == ("warn", "No agreement has been signed here: every order is refused.")
    moment = now()
    for begins, ends, says in ((-9, -1, "expired"), (-9, 9, "expires"), (9, 99, "begins"), (-9, 99, "valid until")):
        validity = {"not_before": moment + timedelta(days=begins), "not_after": moment + timedelta(days=ends)}
        for left in site.store.ids():
            (file.parent / f"{left}.json").unlink()
        site.agree(validity=validity)
        state, detail = await found("agreements")
        assert (state, says in detail) == ("ok" if says == "valid until" else "warn", True)
    site.agree(datasets=[{"signatory_key": site.platform.partner.public.encoded, "dataset": "other"}])
    for left in site.store.ids()[:]:
        kept = site.store.find(left)
        if kept is not None and kept.signed.agreement.terms.datasets[0].dataset == "tiny":
            (file.parent / f"{left}.json").unlink()
    assert await found("agreements") == ("warn", "No agreement covers the data set tiny.")
    site.config.path.write_text('policy = "policy.toml"\n' + site.config.path.read_text())
    assert (await found("policy"))[0] == "fail"
    (site.config.trainer_state / "journal.jsonl").write_text("nothing\n")
    assert (await found("journal"))[0] == "fail"


async def test_doctor_reports_how_far_the_audit_log_was_countersigned(site: Site) -> None:
    state = site.config.trainer_state
    (state / FILE).write_text(json.dumps({"consortium/1": {"position": 214, "digest": "a" * 64}}))
    found = (await findings(site, "trainer"))["record"]
    assert (found.state, found.detail.partition("; ")[2]) == ("ok", "events by consortium: 214 (as of protocol 1.0)")
    (state / FILE).write_text("{")
    assert (await findings(site, "trainer"))["record"].state == "fail"
