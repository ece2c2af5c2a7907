"""People whom terms name (the modifier US): kept and signed as ids of accounts, typed and read as people know them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models.user import normalise_email
from consortia.models import Consortium
from consortia.selectors import people_in

_SHOWN = re.compile(r"^.*<([^<>]+)>$")


@dataclass(frozen=True)
class Account:
    """An account that terms name; without a name where nobody by this id takes part in the consortium."""

    id: str
    name: str = ""

    @property
    def shown(self) -> str:
        """As a form shows it, and takes it again."""
        return f"{' '.join(re.sub('[<>]', ' ', self.name).split())} <{self.id}>" if self.name else self.id


@dataclass(frozen=True)
class Accounts:
    """The people of a consortium, found by what somebody who writes terms knows of them."""

    consortium: Consortium
    named: Mapping[str, Account]
    """Those in the terms as they stand: they may stay, also when they take part no longer."""

    def ids_of(self, typed: Sequence[str]) -> tuple[list[str], list[str]]:
        """The ids of those that were typed, as addresses or ids, and what nobody here is known by.

        One query at most. Of people elsewhere nothing is learned: anyone who takes no part here is as unknown as
        nobody.
        """
        unknown = [one for one in typed if one not in self.named]
        found: dict[str, str] = {one: one for one in typed if one in self.named}
        if unknown:
            people = people_in(self.consortium)
            emails = {normalise_email(one) for one in unknown if "\0" not in one}
            ids = {parsed for one in unknown if (parsed := _id(one)) is not None}
            for key, email in (people.filter(email__in=emails) | people.filter(pk__in=ids)).values_list("pk", "email"):
                found |= {one: str(key) for one in unknown if normalise_email(one) == email or _id(one) == key}
        ids_found = dict.fromkeys(found[one] for one in typed if one in found)
        return list(ids_found), [one for one in typed if one not in found]


def accounts_of(consortium: Consortium, terms: Mapping[str, Any] | None) -> Accounts:
    """The people of a consortium, with those that terms name: one query, if they name any."""
    named = list(dict.fromkeys(one for _clause, ids in _named(terms or {}) for one in ids))
    names: dict[str, str] = {}
    if ids := {parsed for one in named if (parsed := _id(one)) is not None}:
        people = people_in(consortium).filter(pk__in=ids)
        names = {str(key): name for key, name in people.values_list("pk", "full_name")}
    return Accounts(consortium, {one: Account(one, names.get(one, "")) for one in named})


def accounts_by_clause(consortium: Consortium, terms: Mapping[str, Any]) -> dict[str, list[Account]]:
    """The accounts that each clause names, each once."""
    accounts = accounts_of(consortium, terms)
    found: dict[str, dict[str, Account]] = {}
    for clause, ids in _named(terms):
        found.setdefault(clause, {}).update({one: accounts.named[one] for one in ids})
    return {clause: list(named.values()) for clause, named in found.items()}


def typed_in(text: str) -> list[str]:
    """What was typed: one a line, or with commas between them; of a name with an id behind it the id."""
    found: list[str] = []
    for line in text.splitlines():
        shown = _SHOWN.match(line.strip())
        found += [shown[1]] if shown else re.split(r"[,;]", line)
    return list(dict.fromkeys(part.strip() for part in found if part.strip()))


def _named(terms: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    if ids := terms.get("purposes", {}).get("users"):
        yield "purposes", ids
    for covered in terms.get("datasets", ()):
        if ids := (covered.get("use") or {}).get("users"):
            yield "datasets", ids


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
