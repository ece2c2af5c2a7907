"""What the trainer keeps of agreements: only what its own organisation signed, and never an older version again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol.keys import PrivateKey
from silo_connector.agreements import FOLDER, Store
from tests.unit.silo_connector import agreed

OWN, OTHER = PrivateKey.generate(), PrivateKey.generate()
CONSORTIUM, AGREEMENT = uuid4(), uuid4()


def version(number: int, *, by: tuple[PrivateKey, ...] = (OWN, OTHER), **changes: Any) -> bytes:
    document = agreed.agreement(
        CONSORTIUM,
        agreed.terms([OWN.public, OTHER.public], **changes),
        version=number,
        agreement_id=AGREEMENT,
    )
    return agreed.signed(document, *by)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, OWN.public)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(FederationError) as caught:
        call()
    assert caught.value.message
    return caught.value.code


def test_what_was_signed_is_kept_and_read_again(store: Store, tmp_path: Path) -> None:
    assert store.find(AGREEMENT) is None
    first = version(1)
    kept = store.install(first)
    assert kept.digest == agreed.digest_of(first)
    again = Store(tmp_path, OWN.public).find(AGREEMENT)
    assert again is not None
    assert (again.digest, again.suspension, [entry.version for entry in again.history]) == (kept.digest, None, [1])
    assert store.ids() == [AGREEMENT]
    mode = (tmp_path / FOLDER / f"{AGREEMENT}.json").stat().st_mode
    assert mode & 0o777 == 0o600


def test_a_newer_version_takes_the_place_of_the_older_one_for_ever(store: Store) -> None:
    first, second = version(1), version(2)
    store.install(first)
    kept = store.install(second)
    assert [entry.digest for entry in kept.history] == [agreed.digest_of(first), agreed.digest_of(second)]
    assert refused(lambda: store.install(first)) == "agreement.older"
    found = store.find(AGREEMENT)
    assert found is not None
    assert found.digest == agreed.digest_of(second)


def test_two_texts_of_one_version_are_refused(store: Store) -> None:
    store.install(version(1))
    assert refused(lambda: store.install(version(1, notes="another text"))) == "agreement.conflict"


def test_the_same_version_again_gains_signatures(store: Store) -> None:
    document = agreed.agreement(CONSORTIUM, agreed.terms([OWN.public, OTHER.public]), agreement_id=AGREEMENT)
    signed_at = store.install(agreed.signed(document, OWN)).signed_at
    kept = store.install(agreed.signed(document, OWN, OTHER))
    assert kept.signed.complete
    assert (len(kept.history), kept.signed_at) == (1, signed_at)


def test_only_what_the_own_organisation_signed_is_kept(store: Store) -> None:
    assert refused(lambda: store.install(version(1, by=(OTHER,)))) == "agreement.not_signed_by_us"
    stranger = PrivateKey.generate()
    assert refused(lambda: store.install(version(1, by=(stranger,)))) == "agreement.not_signed_by_us"
    forged = json.loads(version(1))
    forged["signatures"][0]["sig"] = forged["signatures"][1]["sig"]
    with pytest.raises(Untrusted, match=r"signature\.invalid"):
        store.install(json.dumps(forged).encode())
    assert store.ids() == []


def test_a_suspension_stays_over_a_new_version_until_it_is_lifted(store: Store, tmp_path: Path) -> None:
    store.install(version(1))
    store.suspend(AGREEMENT, "a breach")
    store.install(version(2))
    found = Store(tmp_path, OWN.public).find(AGREEMENT)
    assert found is not None
    assert found.suspension is not None
    assert found.suspension.reason == "a breach"
    assert store.lift(AGREEMENT).suspension is None
    assert refused(lambda: store.suspend(uuid4(), "")) == "agreement.unknown"


def test_another_process_s_change_is_seen(store: Store, tmp_path: Path) -> None:
    store.install(version(1))
    Store(tmp_path, OWN.public).suspend(AGREEMENT, "")
    found = store.find(AGREEMENT)
    assert found is not None
    assert found.suspension is not None


def change(name: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: content | {name: value}


def edited(content: dict[str, Any]) -> dict[str, Any]:
    other = json.loads(version(1, notes="edited"))
    return content | {"envelope": content["envelope"] | {"payload": other["payload"]}}


@pytest.mark.parametrize("how", [change("history", []), change("more", 1), change("envelope", {}), edited])
def test_a_file_that_somebody_changed_is_not_believed(
    store: Store, tmp_path: Path, how: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store.install(version(1))
    file = tmp_path / FOLDER / f"{AGREEMENT}.json"
    file.write_text(json.dumps(how(json.loads(file.read_text()))))
    assert refused(lambda: store.find(AGREEMENT)) == "agreements.unreadable"


def test_a_link_or_another_agreement_s_file_is_not_believed(store: Store, tmp_path: Path) -> None:
    store.install(version(1))
    file = tmp_path / FOLDER / f"{AGREEMENT}.json"
    other = UUID(int=7)
    (file.parent / f"{other}.json").write_bytes(file.read_bytes())
    assert refused(lambda: store.find(other)) == "agreements.unreadable"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert refused(lambda: store.find(AGREEMENT)) == "agreements.unreadable"


def test_an_agreement_under_another_signatory_s_pin_is_not_believed(store: Store, tmp_path: Path) -> None:
    store.install(version(1))
    assert refused(lambda: Store(tmp_path, PrivateKey.generate().public).find(AGREEMENT)) == "agreements.unreadable"


def test_a_power_cut_in_the_middle_of_writing_leaves_the_old_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.install(version(1))

    def cut(*_: object, **__: object) -> None:
        raise OSError(5, "cut")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(OSError):
            store.install(version(2))
    found = Store(tmp_path, OWN.public).find(AGREEMENT)
    assert found is not None
    assert found.signed.agreement.version == 1


def test_what_another_user_could_not_read_is_not_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(Invalid, match=r"state\.other_user"):
        store.install(version(1))
    with pytest.raises(Invalid, match=r"state\.missing"):
        Store(tmp_path / "nowhere", OWN.public).install(version(1))
