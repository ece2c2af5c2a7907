"""Whether those who are to be bound are there: members of the consortium who stand by the keys that the terms name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import SignatoryKey
from accounts.transitions import SignatoryKeyState
from agreements.models import AgreementVersion
from consortia.transitions import ParticipationState
from federation.protocol.documents import Terms
from federation.protocol.keys import PublicKey
from rest.errors import Unprocessable

_NOBODY = (
    "No organisation that takes part in the consortium signs with this key now. Compare it with that on its page. "
    "A key that a silo brought counts once that silo is confirmed."
)


@dataclass(frozen=True)
class Named:
    """A member as the terms name it, and the organisation that stands by that key now; None where none does."""

    organisation: str
    key_id: str
    fingerprint: str
    organisation_id: UUID | None
    organisation_name: str

    @property
    def is_current(self) -> bool:
        """Whether it takes part in the consortium, by this key."""
        return self.organisation_id is not None


def named_members(consortium_id: UUID, terms: Mapping[str, Any]) -> list[Named]:
    """The members that terms name, in their order: one query."""
    keys = [PublicKey.from_encoded(str(member["signatory_key"])) for member in terms["members"]]
    status = {
        key.key_id: key.organisation
        for key in SignatoryKey.objects.select_related("organisation").filter(
            key_id__in=[key.key_id for key in keys],
            state=SignatoryKeyState.ACTIVE,
            organisation__participations__consortium=consortium_id,
            organisation__participations__state=ParticipationState.ACTIVE,
        )
    }
    found = []
    for member, key in zip(terms["members"], keys, strict=True):
        member_organisation = status.get(key.key_id)
        found.append(
            Named(
                str(member["organisation"]),
                key.key_id,
                key.fingerprint,
                member_organisation.id if member_organisation else None,
                member_organisation.name if member_organisation else "",
            )
        )
    return found


def former_members(version: AgreementVersion) -> list[str]:
    """The names of members that no longer take part, or no longer stand by the key that the version names."""
    return [named.organisation for named in named_members(version.consortium_id, version.terms) if not named.is_current]


def check_members(consortium_id: UUID, terms: Terms) -> None:
    """Raise Unprocessable ``agreement.members`` unless each takes part under its name, by its present signatory key."""
    fields: dict[str, list[str]] = {}
    for position, named in enumerate(named_members(consortium_id, {"members": _plain(terms)})):
        if not named.is_current:
            fields[f"terms.members.{position}.signatory_key"] = [_NOBODY]
        elif named.organisation_name != named.organisation:
            fields[f"terms.members.{position}.organisation"] = [
                f"The organisation that signs with this key is called {named.organisation_name}."
            ]
    if fields:
        first = next(iter(fields))
        raise Unprocessable("agreement.members", fields[first][0], first, fields=fields)


def _plain(terms: Terms) -> Sequence[Mapping[str, str]]:
    return [{"organisation": member.organisation, "signatory_key": member.signatory_key} for member in terms.members]
