"""What there is to know of agreements: which binds, who has signed, who suspends, and who sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Organisation, SignatoryKey, User
from accounts.permissions import Permission, roles_allowing
from accounts.transitions import SignatoryKeyState
from agreements.membership import former_members, named_members
from agreements.models import AgreementVersion, Approval, Comment, Revision, Signature, Suspension
from agreements.transitions import CURRENT, OPEN, AgreementState
from consortia.models import Consortium, Participation
from consortia.selectors import active_organisations, consortia_visible_to
from consortia.transitions import ParticipationState
from federation.agreements.signing import merge
from federation.protocol import envelope
from federation.protocol.documents import Agreement
from federation.protocol.keys import PublicKey
from rest.errors import Conflict


def versions_visible_to(user: User) -> QuerySet[AgreementVersion]:
    """Those of the consortia that one sees."""
    visible = AgreementVersion.objects.filter(consortium__in=consortia_visible_to(user))
    return visible.select_related("consortium", "supersedes", "drafted_by")


def versions_of(consortium: Consortium) -> QuerySet[AgreementVersion]:
    """All of a consortium's, the newest first, without their bytes."""
    rows = AgreementVersion.objects.filter(consortium=consortium).select_related("supersedes", "drafted_by")
    return rows.defer("payload", "envelope").order_by("-number")


def open_version(consortium: Consortium) -> AgreementVersion | None:
    """The one that is under way to be the next."""
    return AgreementVersion.objects.filter(consortium=consortium, state__in=OPEN).first()


def current_version(consortium: Consortium) -> AgreementVersion | None:
    """The one that binds, or would but for a member that is gone."""
    return AgreementVersion.objects.filter(consortium=consortium, state__in=CURRENT).first()


def in_force(consortium: Consortium) -> AgreementVersion | None:
    """The version under which jobs may be launched now.

    None as soon as its validity has passed or one of its members is gone, whether or not the sweep has said so yet.
    """
    found = AgreementVersion.objects.filter(
        consortium=consortium, state=AgreementState.IN_FORCE, not_after__gt=timezone.now()
    ).first()
    return None if found is None or former_members(found) else found


def version_with(digest: str) -> AgreementVersion | None:
    """The version of which these are the signed bytes: a manifest names it so."""
    return AgreementVersion.objects.filter(digest=digest).first() if digest else None


def complete_envelope(version: AgreementVersion) -> bytes:
    """The version's bytes with every member's signature. Raises Conflict ``agreement.unsigned`` before that."""
    if version.envelope is None:
        raise Conflict("agreement.unsigned", "Not every member has signed this version.")
    return bytes(version.envelope)


def complete_envelopes(digests: Sequence[str]) -> dict[str, bytes]:
    """Those of several versions, by their hashes: one query."""
    rows = AgreementVersion.objects.filter(digest__in=set(digests), envelope__isnull=False)
    return {digest: bytes(sealed) for digest, sealed in rows.values_list("digest", "envelope") if sealed}


def document_of(version: AgreementVersion) -> bytes:
    """The envelope that goes around: the version's bytes with the signatures so far.

    Raises Conflict ``agreement.not_fixed`` while the terms may still change.
    """
    if version.envelope is not None:
        return bytes(version.envelope)
    if version.payload is None:
        raise Conflict(
            "agreement.not_fixed",
            "The terms may still change: there is nothing to sign before signing is opened.",
        )
    unsigned = envelope.sign(bytes(version.payload), Agreement.payload_type)
    return merge([unsigned, *(bytes(row.envelope) for row in version.signatures.all())])


def is_suspended_for(version: AgreementVersion, organisation: Organisation | UUID) -> bool:
    """Whether this organisation has suspended the agreement for itself."""
    member_organisation = organisation if isinstance(organisation, UUID) else organisation.id
    return member_organisation in suspended_in(version)


def suspended_in(version: AgreementVersion) -> frozenset[UUID]:
    """The organisations that have suspended the agreement for themselves."""
    rows = Suspension.objects.filter(agreement_id=version.agreement_id, lifted_at=None)
    return frozenset(rows.values_list("organisation_id", flat=True))


def suspensions_of(version: AgreementVersion) -> QuerySet[Suspension]:
    """Those that hold now."""
    rows = Suspension.objects.filter(agreement_id=version.agreement_id, lifted_at=None)
    return rows.select_related("organisation", "by")


@dataclass(frozen=True)
class PartyRow:
    """A member that a version names: whether it is there, has approved, has signed, and has suspended."""

    organisation: str
    organisation_id: UUID | None
    key_id: str
    fingerprint: str
    is_current: bool
    signed_at: datetime | None
    signed_via: str
    approvals: tuple[Approval, ...]
    suspension: Suspension | None


def parties(version: AgreementVersion) -> list[PartyRow]:
    """The members in the order of the terms: four queries."""
    signatures = {row.key_id: row for row in Signature.objects.filter(version=version).defer("envelope")}
    approvals: defaultdict[UUID, list[Approval]] = defaultdict(list)
    for approval in Approval.objects.filter(version=version).select_related("user"):
        approvals[approval.organisation_id].append(approval)
    suspensions = {row.organisation_id: row for row in suspensions_of(version)}
    rows = []
    for named in named_members(version.consortium_id, version.terms):
        signature = signatures.get(named.key_id)
        member_organisation = named.organisation_id or (signature.organisation_id if signature else None)
        rows.append(
            PartyRow(
                organisation=named.organisation,
                organisation_id=member_organisation,
                key_id=named.key_id,
                fingerprint=named.fingerprint,
                is_current=named.is_current,
                signed_at=signature.received_at if signature else None,
                signed_via=signature.received_via if signature else "",
                approvals=tuple(approvals[member_organisation]) if member_organisation else (),
                suspension=suspensions.get(member_organisation) if member_organisation else None,
            )
        )
    return rows


def missing(version: AgreementVersion) -> list[str]:
    """The names of the members that have not signed: two queries."""
    signed = set(Signature.objects.filter(version=version).values_list("key_id", flat=True))
    members = named_members(version.consortium_id, version.terms)
    return [named.organisation for named in members if named.key_id not in signed]


def revisions_of(version: AgreementVersion) -> QuerySet[Revision]:
    """Its wordings, the first one first."""
    return Revision.objects.filter(version=version).select_related("by", "organisation").order_by("number")


def comments_of(version: AgreementVersion) -> QuerySet[Comment]:
    """What was said about its clauses, in the order in which it was said."""
    return Comment.objects.filter(version=version).select_related("by", "organisation")


def organisations_in(user: User, consortium: Consortium, permission: Permission) -> QuerySet[Organisation]:
    """A person's organisations that take part in the consortium and in which they may do this."""
    here = active_organisations(consortium.id)
    return here.filter(roles__user=user, roles__role__in=roles_allowing(permission)).distinct()


def voice_of(user: User, consortium: Consortium) -> Organisation | None:
    """The member for which somebody negotiates here; None for who only administers the consortium."""
    return organisations_in(user, consortium, Permission.AGREEMENT_NEGOTIATE).first()


@dataclass(frozen=True)
class ToSign:
    """A version that a steward's organisation is to read, or to sign."""

    version: AgreementVersion
    organisation: Organisation

    @property
    def is_signing(self) -> bool:
        """Whether its signature is what is waited for; else its opinion."""
        return self.version.state == AgreementState.SIGNING


def versions_waiting_for(user: User, most: int) -> list[ToSign]:
    """Versions before the members of which a person's organisation has not signed, for its stewards: three queries."""
    held = user.organisation_roles.filter(role__in=roles_allowing(Permission.AGREEMENT_APPROVE))
    keys = SignatoryKey.objects.select_related("organisation").filter(
        organisation__in=held.values("organisation"), state=SignatoryKeyState.ACTIVE
    )
    mine = {key.key_id: key.organisation for key in keys}
    if not mine:
        return []
    consortia = Participation.objects.filter(
        organisation__in=list(mine.values()), state=ParticipationState.ACTIVE
    ).values("consortium")
    rows = AgreementVersion.objects.filter(
        state__in=(AgreementState.PROPOSED, AgreementState.SIGNING), consortium__in=consortia
    )
    found = list(rows.select_related("consortium").defer("payload", "envelope").order_by("-proposed_at")[:most])
    signed = set(Signature.objects.filter(version__in=found).values_list("version_id", "key_id"))
    return [
        ToSign(version, mine[key_id])
        for version in found
        for key_id in _key_ids(version.terms)
        if key_id in mine and (version.pk, key_id) not in signed
    ]


def _key_ids(terms: Mapping[str, Any]) -> list[str]:
    return [PublicKey.from_encoded(str(member["signatory_key"])).key_id for member in terms["members"]]
