"""What an upgrade to today's protocol adds to an agreement, for anyone who is to sign it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from agreements.explanations import TERMS
from agreements.models import AgreementVersion
from agreements.terms import terms_of
from agreements.transitions import CURRENT
from federation.agreements.added_terms import AddedTerm, added_to


@dataclass(frozen=True)
class AddedRow:
    """A term that the older version does not have."""

    path: str
    title: str
    default: str | None
    """What an upgrade puts there."""
    now: str | None
    """What the version that is shown says."""
    meaning: str

    @property
    def is_default(self) -> bool:
        """Whether nobody has changed it."""
        return self.now == self.default


def added_rows(version: AgreementVersion) -> list[AddedRow]:
    """What would be added to an outdated version, or was added by one that is to follow it; else nothing."""
    before = version.supersedes
    follows = version.is_open and not version.is_outdated and before is not None and before.is_outdated
    if not (version.is_outdated and version.state in CURRENT) and not follows:
        return []
    return [_row(added, version) for added in added_to(terms_of(version))]


def _row(added: AddedTerm, version: AgreementVersion) -> AddedRow:
    statement: Any = version.terms
    for part in added.path.split("."):
        statement = statement.get(part) if isinstance(statement, Mapping) else None
    default = None if added.default is None else gettext(added.default)
    now = (
        default if version.is_outdated or statement == added.default else None if statement is None else str(statement)
    )
    return AddedRow(added.path, gettext(TERMS[added.path].label), default, now, gettext(added.meaning))
