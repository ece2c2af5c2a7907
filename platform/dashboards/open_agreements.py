"""Agreements that go around in the consortia that a person administers: what was said of them, and who has signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Count, F, IntegerField, JSONField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, JSONObject

from accounts.models import User
from accounts.permissions import Permission
from agreements.models import AgreementVersion, Comment, Revision, Signature
from agreements.transitions import AgreementState
from consortia.models import Consortium
from consortia.selectors import consortia_where
from federation.protocol.keys import PublicKey

GOING_AROUND = (AgreementState.PROPOSED, AgreementState.SIGNING)


@dataclass(frozen=True)
class UnderWay:
    """A version that was proposed, and how it fares."""

    consortium: Consortium
    version_id: UUID
    number: int
    is_signing: bool
    members: int
    missing: tuple[str, ...]
    """The members that have not signed."""
    comments: int
    """By others."""
    wordings: int
    """Counter-proposals by others."""

    @property
    def signed(self) -> int:
        """How many members have signed."""
        return self.members - len(self.missing)


def with_agreements_under_way(consortia: QuerySet[Consortium], user: User) -> QuerySet[Consortium]:
    """Each with `going_around`, for `under_way_in`: in the same query, since a home page asks enough of them.

    None where nothing goes around (no two versions do so at once), or where the person does not draft.
    """
    reported = JSONObject(
        id=F("pk"),
        number=F("number"),
        state=F("state"),
        members=F("terms__members"),
        signed=ArraySubquery(Signature.objects.filter(version=OuterRef("pk")).values("key_id")),
        comments=_by_others(Comment.objects.all(), user),
        wordings=_by_others(Revision.objects.filter(number__gt=1), user),
    )
    versions = AgreementVersion.objects.filter(consortium=OuterRef("pk"), state__in=GOING_AROUND).order_by()
    drafts = consortia_where(user, Permission.AGREEMENT_DRAFT).values("pk")
    found = Subquery(versions.values(detail=reported)[:1], output_field=JSONField())
    return consortia.annotate(going_around=Case(When(pk__in=drafts, then=found), default=None))


def _by_others(rows: QuerySet[Any], user: User) -> Coalesce:
    theirs = rows.filter(version=OuterRef("pk")).exclude(by=user).order_by().values("version")
    return Coalesce(Subquery(theirs.annotate(n=Count("pk")).values("n")), 0, output_field=IntegerField())


def under_way_in(consortia: Sequence[Consortium]) -> list[UnderWay]:
    """What goes around in these consortia, which `with_agreements_under_way` gave."""
    return [_read(one, reported) for one in consortia if (reported := getattr(one, "going_around", None)) is not None]


def _read(consortium: Consortium, reported: dict[str, Any]) -> UnderWay:
    signed = set(reported["signed"])
    keys = {
        str(one["organisation"]): PublicKey.from_encoded(one["signatory_key"]).key_id for one in reported["members"]
    }
    return UnderWay(
        consortium=consortium,
        version_id=UUID(reported["id"]),
        number=reported["number"],
        is_signing=reported["state"] == AgreementState.SIGNING,
        members=len(keys),
        missing=tuple(name for name, key_id in keys.items() if key_id not in signed),
        comments=reported["comments"],
        wordings=reported["wordings"],
    )
