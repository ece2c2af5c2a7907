"""How people whom terms name are typed and shown."""

from __future__ import annotations

import pytest

from agreements.people import Account, typed_in

ID = "8c6f2c38-6a2e-4b39-9d0e-000000000001"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" a@example.org ,b@example.org;\n\nc@example.org\na@example.org", [f"{x}@example.org" for x in "abc"]),
        (f"Ada Example <{ID}>", [ID]),
        (f"Müller, Ada; née Meier <{ID}>\nb@example.org", [ID, "b@example.org"]),
    ],
)
def test_typed_people_are_read_by_e_mail_or_id(text: str, found: list[str]) -> None:
    assert typed_in(text) == found


@pytest.mark.parametrize("name", ["Ada", "Müller, Ada", "Ada <evil>", "Ada\nExample", "<", ""])
def test_what_is_shown_is_taken_again(name: str) -> None:
    assert typed_in(Account(ID, name).shown) == [ID]
