"""What terms can name: organisations that take part and their keys, and the data sets that their silos describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import SignatoryKey
from accounts.transitions import SignatoryKeyState
from agreements.people import Accounts, accounts_of
from consortia.models import Consortium
from consortia.transitions import ParticipationState
from federation.protocol.keys import PublicKey
from federation.targets import target_of
from silos.models import Dataset


@dataclass(frozen=True)
class Offered:
    """A data set that could be covered, or is; `place` names it in a form."""

    place: str
    key: str
    organisation: str
    dataset: str
    title: str


@dataclass(frozen=True)
class Offer:
    """Members by their keys, and data sets, in the order in which a form shows them."""

    members: dict[str, str]
    """The encoded key, and the name of the organisation that stands by it."""
    gone: frozenset[str]
    """Keys that the terms name and no participant stands by."""
    datasets: tuple[Offered, ...]
    accounts: Accounts
    targets: frozenset[str]
    """What models of the data sets on offer are asked for."""


def offer_of(consortium: Consortium, terms: Mapping[str, Any] | None = None) -> Offer:
    """What the consortium has to offer now, and what these terms name already.

    Two queries, and one more if the terms name people.
    """
    rows = SignatoryKey.objects.select_related("organisation").filter(
        state=SignatoryKeyState.ACTIVE,
        organisation__participations__consortium=consortium,
        organisation__participations__state=ParticipationState.ACTIVE,
    )
    status = {row.key.encoded: row for row in rows.order_by("organisation__name")}
    members = {encoded: row.organisation.name for encoded, row in status.items()}
    named = {str(one["signatory_key"]): str(one["organisation"]) for one in (terms or {}).get("members", ())}
    gone = frozenset(named) - frozenset(members)
    members |= {encoded: name for encoded, name in named.items() if encoded in gone}
    keys = {row.organisation_id: encoded for encoded, row in status.items()}
    titles: dict[tuple[str, str], str] = {}
    described = Dataset.objects.filter(silo__organisation__in=list(keys), withdrawn_at=None)
    targets: set[str] = set()
    columns = ("silo__organisation_id", "name", "title", "target", "n_classes")
    for member_organisation, name, title, target, n_classes in described.order_by("name").values_list(*columns):
        titles.setdefault((keys[member_organisation], name), title)
        targets.add(target_of(target or None, n_classes).name)
    for one in (terms or {}).get("datasets", ()):
        titles.setdefault((str(one["signatory_key"]), str(one["dataset"])), "")
    found = [
        Offered(f"{PublicKey.from_encoded(key).key_id[8:20]}:{name}", key, members.get(key, ""), name, title)
        for (key, name), title in titles.items()
    ]
    datasets = tuple(sorted(found, key=lambda one: (one.organisation, one.dataset)))
    return Offer(members, gone, datasets, accounts_of(consortium, terms), frozenset(targets))
