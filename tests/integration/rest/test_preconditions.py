"""Two who edit the same over REST: the second one's change is refused, if they said what they had read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from accounts.models import User
from consortia import actions
from consortia.api import consortia
from consortia.models import Consortium
from tests.support.world import TEST, World, client_of


def of(world: World, kind: str) -> tuple[User, str, dict[str, Any], dict[str, Any]]:
    """Who edits, where, one change and another."""
    if kind == "consortium":
        path = f"/api/v1/consortia/{world.consortium.pk}/"
        return world.administrator, path, {"description": "First"}, {"description": "Second"}
    return world.platform_admin, f"/api/v1/organisations/{world.north.pk}/", {"country": "DE"}, {"country": "FR"}


def patch(user: User, path: str, body: Mapping[str, Any], tag: str | None = None) -> Any:
    return client_of(user).patch(path, body, format="json", headers={} if tag is None else {"if-match": tag})


@pytest.mark.parametrize("kind", ["consortium", "organisation"])
def test_a_change_of_what_somebody_else_has_changed_is_refused(world: World, kind: str) -> None:
    user, path, first, second = of(world, kind)
    tag = client_of(user).get(path)["ETag"]
    changed = patch(user, path, first, tag)
    assert changed.status_code == 200, changed.content
    assert changed["ETag"] == client_of(user).get(path)["ETag"] != tag
    refused = patch(user, path, second, tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition.failed")
    assert client_of(user).get(path).json().items() >= first.items()
    assert patch(user, path, second, changed["ETag"]).status_code == 200


@pytest.mark.parametrize("kind", ["consortium", "organisation"])
@pytest.mark.parametrize("tag", [None, "*"])
def test_who_does_not_say_what_they_have_read_changes_whatever_is_there(
    world: World, kind: str, tag: str | None
) -> None:
    user, path, first, second = of(world, kind)
    assert patch(user, path, first, tag).status_code == 200
    assert patch(user, path, second, tag).status_code == 200


@pytest.mark.parametrize("how", ["W/{}", '"sha256:other", {}', "{},{}"])
def test_a_tag_may_be_one_of_several_and_weak(world: World, how: str) -> None:
    user, path, first, _ = of(world, "consortium")
    tag = client_of(user).get(path)["ETag"]
    assert patch(user, path, first, how.format(tag, tag)).status_code == 200


@pytest.mark.parametrize("tag", ["", "sha256:0", '"a" "b"', '"', ","])
def test_what_is_no_tag_is_said_to_be_none(world: World, tag: str) -> None:
    user, path, first, _ = of(world, "consortium")
    refused = patch(user, path, first, tag)
    assert (refused.status_code, refused.json()["code"]) == (400, "precondition.malformed")


def test_who_is_overtaken_between_reading_and_writing_is_informed_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag is compared again with the row held."""
    user, path, _, second = of(world, "consortium")
    tag = client_of(user).get(path)["ETag"]

    def overtaken(*, consortium: Consortium, **given: Any) -> Consortium:
        actions.edit_consortium(consortium=consortium, name=consortium.name, description="Overtaken", by=TEST)
        return actions.edit_consortium(consortium=consortium, **given)

    monkeypatch.setattr(consortia, "edit_consortium", overtaken)
    refused = patch(user, path, second, tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition.failed")
    assert client_of(user).get(path).json()["description"] != "Second"
