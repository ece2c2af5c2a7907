"""A new signing key for the platform: passed on once, whatever is killed on the way, and reported to anyone who
polls.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from federation.errors import FederationError, Transient
from federation.protocol.documents import Manifest, Order, now, verify_document
from federation.protocol.keys import PrivateKey, load_public, save_public
from federation.protocol.successions import SUCCESSIONS_MAX, KeyChain
from silos import rotation, selectors
from silos.models import KeySuccession
from silos.rotation import Rotated, rotate
from silos.successions import successions_to
from tests.support.cohort import Cohort, run_job
from tests.support.federation import TEST
from training.engine import issuing
from training.engine.long_poll import fetch_deliverable_orders
from training.models import Job

pytestmark = pytest.mark.django_db


class Keys:
    """The platform's key files, in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.private, self.public = folder / "platform.key", folder / "platform.pub"
        self.first = PrivateKey.generate()
        self.first.save(self.private)
        save_public(self.public, [self.first.public])

    def rotate(self) -> Rotated:
        """One rotation."""
        return rotate(key_file=self.private, public_file=self.public, by=TEST)

    def names(self) -> set[str]:
        """What lies in the folder."""
        return {file.name for file in self.private.parent.iterdir()}


@pytest.fixture
def keys(tmp_path: Path, settings: Any) -> Keys:
    folder = tmp_path / "keys"
    folder.mkdir()
    found = Keys(folder)
    settings.PLATFORM_SIGNING_KEY_FILE, settings.PLATFORM_PUBLIC_KEY_FILE = str(found.private), found.public
    return found


def chain(keys: Keys) -> KeyChain:
    """What a connector makes of the successions that are kept."""
    kept = KeySuccession.objects.values_list("document", flat=True)
    return KeyChain(keys.first.public).verify_and_extend([bytes(document) for document in kept], now=now())


def retired(key: PrivateKey) -> str:
    return f"platform.key.retired-{key.public.key_id.removeprefix('ed25519:')[:16]}"


def test_the_command_rotates_the_key_and_says_what_is_left_to_do(keys: Keys) -> None:
    keys.public.chmod(0o444)
    statement = StringIO()
    call_command("rotate_platform_key", stdout=statement)
    new = PrivateKey.load(keys.private)
    assert new.public != keys.first.public
    assert chain(keys).current == new.public
    assert load_public(keys.public) == (new.public, keys.first.public)
    assert selectors.platform_keys()[0] == new.public, "what a new silo pins"
    assert PrivateKey.load(keys.private.parent / retired(keys.first)).public == keys.first.public
    assert keys.names() == {"platform.key", "platform.pub", retired(keys.first)}
    modes = {name: stat.S_IMODE((keys.private.parent / name).stat().st_mode) for name in keys.names()}
    assert modes == {"platform.key": 0o600, "platform.pub": 0o444, retired(keys.first): 0o600}
    for part in (new.public.fingerprint, "Restart every worker", "restart web", f"destroy {keys.private.parent}"):
        assert part in statement.getvalue()
    event = Event.objects.get(verb="platform.key_rotated")
    assert event.detail == {
        "predecessor": keys.first.public.key_id,
        "key_id": new.public.key_id,
        "sequence": 1,
    }


def test_the_platform_key_rotates_several_times(keys: Keys) -> None:
    for _ in range(3):
        keys.rotate()
    assert [key.encoded for key in chain(keys).keys] == [key.encoded for key in reversed(load_public(keys.public))]
    assert chain(keys).current == PrivateKey.load(keys.private).public
    assert len(keys.names()) == 5
    assert Event.objects.filter(verb="platform.key_rotated").count() == 3


def test_a_connector_is_shown_no_more_keys_than_it_reads(keys: Keys) -> None:
    for _ in range(rotation.PUBLIC_KEYS_MAX + 1):
        keys.rotate()
    shown = load_public(keys.public)
    assert len(shown) == rotation.PUBLIC_KEYS_MAX
    assert shown[0] == PrivateKey.load(keys.private).public


class Killed(BaseException):
    """The process ends here."""


def crossing(monkeypatch: pytest.MonkeyPatch, after: int | None) -> list[str]:
    """Die at the so manieth thing that is done to files or database, half of them before and half after it is done."""
    done: list[str] = []

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            if after is not None and len(done) == after:
                raise Killed
            result = real(*args, **kwargs)
            done.append(name)
            if after is not None and len(done) == after:
                raise Killed
            return result

        return step

    monkeypatch.setattr(os, "fsync", dying("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", dying("replace", Path.replace))
    monkeypatch.setattr(Path, "unlink", dying("unlink", Path.unlink))
    monkeypatch.setattr(PrivateKey, "save", dying("save", PrivateKey.save))
    monkeypatch.setattr(rotation, "_succeed", dying("succeed", rotation._succeed))
    monkeypatch.setattr(rotation, "save_public", dying("show", save_public))
    return done


MOMENTS = 42
"""A test below holds it against a real run."""


@pytest.mark.parametrize("moment", range(1, MOMENTS + 1))
def test_killed_at_any_moment_it_goes_on_when_it_is_run_again(keys: Keys, moment: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        crossing(monkeypatch, moment)
        with pytest.raises(Killed):
            keys.rotate()
    assert PrivateKey.load(keys.private), "there is a key to sign with at every moment"
    finished = KeySuccession.objects.filter(key_id=PrivateKey.load(keys.private).public.key_id).exists()
    if not finished:
        assert PrivateKey.load(keys.private).public == keys.first.public
        keys.rotate()
    assert KeySuccession.objects.count() == 1
    assert chain(keys).current == PrivateKey.load(keys.private).public
    assert load_public(keys.public) == (chain(keys).current, keys.first.public)
    assert PrivateKey.load(keys.private.parent / retired(keys.first)).public == keys.first.public
    assert keys.names() == {"platform.key", "platform.pub", retired(keys.first)}


def test_every_moment_of_a_rotation_is_tried(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    done = crossing(monkeypatch, None)
    keys.rotate()
    assert len(done) == MOMENTS


def test_a_key_is_rotated_once(keys: Keys, tmp_path: Path) -> None:
    """A copy of the old key elsewhere makes no second successor."""
    (tmp_path / "elsewhere").mkdir()
    copy = Keys(tmp_path / "elsewhere")
    copy.private.write_bytes(keys.private.read_bytes())
    made = keys.rotate()
    with pytest.raises(FederationError, match=made.key.key_id) as caught:
        copy.rotate()
    assert caught.value.code == "key.succeeded"
    assert PrivateKey.load(copy.private).public == keys.first.public
    assert KeySuccession.objects.count() == 1


def test_after_a_theft_a_new_key_begins_a_chain_of_its_own(keys: Keys) -> None:
    keys.rotate()
    keys.private.unlink()
    fresh = PrivateKey.generate()
    fresh.save(keys.private)
    save_public(keys.public, [fresh.public])
    made = keys.rotate()
    kept = [bytes(document) for document in KeySuccession.objects.values_list("document", flat=True)]
    assert KeyChain(fresh.public).verify_and_extend(kept, now=now()).keys == (fresh.public, made.key)


@pytest.mark.parametrize("case", ["no key named", "no file", "no key", "foreign file", "unwritable"])
def test_what_it_refuses_changes_nothing(keys: Keys, settings: Any, case: str) -> None:
    if case == "no key named":
        settings.PLATFORM_SIGNING_KEY_FILE = ""
    elif case == "no file":
        keys.private.unlink()
    elif case == "no key":
        keys.private.write_text("no key")
    elif case == "unwritable":
        settings.PLATFORM_PUBLIC_KEY_FILE = keys.private / "no folder" / "platform.pub"
    else:
        PrivateKey.generate().save(keys.private.parent / retired(keys.first))
    before = keys.private.read_bytes() if keys.private.exists() else b""
    with pytest.raises(CommandError):
        call_command("rotate_platform_key", stdout=StringIO())
    assert (keys.private.read_bytes() if keys.private.exists() else b"") == before
    assert not KeySuccession.objects.exists()


# --- what workers sign, and what connectors are shown --------------------------------------------------------------


def delivered(cohort: Cohort) -> Any:
    """What the first silo's relay is shown."""
    return fetch_deliverable_orders(cohort.silo, [])


def test_a_poll_with_orders_brings_the_successions(keys: Keys, cohort: Cohort, blob_root: Path) -> None:
    run_job(cohort, rounds_answered=0)
    assert delivered(cohort).successions == ()
    assert b"successions" not in delivered(cohort).encode()
    made = [keys.rotate(), keys.rotate()]
    found = delivered(cohort)
    assert [bytes(one.succession.document) for one in made] == list(found.successions)
    assert found.encode().endswith(b'"cancelled":[],"successions":[' + b",".join(found.successions) + b"]}")
    assert fetch_deliverable_orders(cohort.silo, [cohort.silo.orders.get().id]).successions == (), (
        "nothing to verify, nothing to tell"
    )


def test_rotation_costs_a_poll_no_sql_statement(
    keys: Keys, cohort: Cohort, blob_root: Path, django_assert_num_queries: Any
) -> None:
    run_job(cohort, rounds_answered=0)
    with django_assert_num_queries(0):  # the look itself goes past Django's log
        delivered(cohort)
    keys.rotate()
    with django_assert_num_queries(1):
        assert len(delivered(cohort).successions) == 1
    with django_assert_num_queries(0):
        assert len(delivered(cohort).successions) == 1


def test_no_more_are_passed_on_than_are_read(keys: Keys) -> None:
    for sequence in range(1, SUCCESSIONS_MAX + 6):
        KeySuccession.objects.create(
            sequence=sequence,
            predecessor=f"{sequence}",
            key_id=f"{sequence + 1}",
            document=b"%d" % sequence,
            made_at="2026-11-22T00:00Z",
        )
    newest = KeySuccession.objects.latest("sequence").id
    assert successions_to(newest) == tuple(b"%d" % number for number in range(6, SUCCESSIONS_MAX + 6))


@pytest.fixture
def another_machine(keys: Keys, tmp_path: Path, settings: Any) -> Path:
    """A worker whose copy of the old key nobody has replaced yet."""
    copy = tmp_path / "other.key"
    copy.write_bytes(keys.private.read_bytes())
    settings.PLATFORM_SIGNING_KEY_FILE = str(copy)
    assert issuing.signing_key().public == keys.first.public
    return copy


def test_a_worker_signs_with_the_new_key_as_soon_as_it_is_there(keys: Keys, cohort: Cohort, blob_root: Path) -> None:
    first = run_job(cohort, rounds_answered=1)
    made = keys.rotate()
    second = run_job(cohort, rounds_answered=0)
    assert _signed_by(first, keys.first)
    with pytest.raises(FederationError):
        _signed_by(second, keys.first)
    sealed = bytes(second.manifest or b"")
    assert verify_document(Manifest, sealed, [made.key])
    order = cohort.silo.orders.latest("number")
    assert verify_document(Order, bytes(order.envelope), [made.key]).job_id == second.id


def test_a_worker_with_a_retired_key_signs_nothing_and_waits(
    keys: Keys, cohort: Cohort, blob_root: Path, another_machine: Path
) -> None:
    made = keys.rotate()
    with pytest.raises(Transient) as caught:
        run_job(cohort, rounds_answered=0)
    assert caught.value.code == "key.retired"
    job = Job.objects.get()
    assert job.state == "queued", "it is started once the key is there"
    another_machine.write_bytes(keys.private.read_bytes())
    assert issuing.signing_key().public == made.key


def _signed_by(job: Job, key: PrivateKey) -> Manifest:
    return verify_document(Manifest, bytes(job.manifest or b""), [key.public])
