"""What the pages of an agreement show, as plain rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Organisation, User
from accounts.permissions import Permission
from agreements.explanations import TermExplanation, about, terms_in
from agreements.models import AgreementVersion, Comment, Revision
from agreements.people import Account, accounts_by_clause
from agreements.selectors import PartyRow, comments_of, organisations_in
from agreements.terms import agreement_of
from agreements.transitions import CURRENT, AgreementState
from consortia.selectors import permissions_of
from federation.agreements.diff import ChangedClause, differences
from federation.agreements.rendering import Clause, clauses, day
from rest.errors import NotFound


@dataclass(frozen=True)
class ClauseRow:
    """A clause with what it means, and what was said about it."""

    clause: Clause
    about: str
    terms: tuple[TermExplanation, ...]
    comments: tuple[Comment, ...]
    accounts: Sequence[Account] = ()
    """Whom the clause names by their ids."""


def clause_rows(version: AgreementVersion) -> list[ClauseRow]:
    """The clauses in their order: one query, two where they name people."""
    by_name: defaultdict[str, list[Comment]] = defaultdict(list)
    for comment in comments_of(version):
        by_name[comment.clause].append(comment)
    named = accounts_by_clause(version.consortium, version.terms)
    return [
        ClauseRow(
            clause, about(clause.id), tuple(terms_in(clause.id)), tuple(by_name[clause.id]), named.get(clause.id, ())
        )
        for clause in clauses(agreement_of(version))
    ]


@dataclass(frozen=True)
class May:
    """What a person may do with a version, as its state allows."""

    draft: bool
    negotiate: bool
    organisations: tuple[Organisation, ...]
    """Members of which they are steward."""

    @classmethod
    def of(cls, user: User, version: AgreementVersion) -> May:
        """Two queries."""
        allowed = permissions_of(user, consortium=version.consortium)
        return cls(
            draft=Permission.AGREEMENT_DRAFT in allowed,
            negotiate=Permission.AGREEMENT_NEGOTIATE in allowed,
            organisations=tuple(organisations_in(user, version.consortium, Permission.AGREEMENT_APPROVE)),
        )


@dataclass(frozen=True)
class Steps:
    """Which of the things that can be done with a version are offered to a person."""

    edit: bool
    propose: bool
    return_to_draft: bool
    open_signing: bool
    reopen: bool
    withdraw: bool
    terminate: bool
    amend: bool
    upgrade: bool
    comment: bool
    sign: bool
    suspend: bool

    @property
    def any(self) -> bool:
        """Whether there is a button to show."""
        return any((self.edit, self.propose, self.return_to_draft, self.open_signing, self.reopen, self.withdraw))


def steps_of(version: AgreementVersion, may: May) -> Steps:
    """Pure: by the state, and by what they may."""
    state = AgreementState(version.state)
    draft, proposed, signing = (
        state == one for one in (AgreementState.DRAFT, AgreementState.PROPOSED, AgreementState.SIGNING)
    )
    return Steps(
        edit=(draft and may.draft) or ((proposed or signing) and may.negotiate),
        propose=draft and may.draft,
        return_to_draft=proposed and may.draft,
        open_signing=proposed and may.draft,
        reopen=signing and may.negotiate,
        withdraw=version.is_open and may.draft,
        terminate=state in CURRENT and may.draft,
        amend=not version.is_open and may.draft,
        upgrade=version.is_outdated and version.state in CURRENT and may.draft,
        comment=version.is_open and may.negotiate,
        sign=signing and bool(may.organisations),
        suspend=state in CURRENT and bool(may.organisations),
    )


@dataclass(frozen=True)
class OwnPart:
    """What a steward's organisation has to do with a version."""

    organisation: Organisation
    party: PartyRow
    approved: bool


def own_parts(user: User, may: May, parties: Sequence[PartyRow]) -> list[OwnPart]:
    """The parties for which a person speaks."""
    by_id = {party.organisation_id: party for party in parties}
    return [
        OwnPart(organisation, party, any(approval.user_id == user.pk for approval in party.approvals))
        for organisation in may.organisations
        if (party := by_id.get(organisation.pk)) is not None
    ]


@dataclass(frozen=True)
class PdfSignatureRow:
    """A member's signature as it stands on paper: in the language and by the clock of the signed text."""

    organisation: str
    fingerprint: str
    signed: str
    approvals: tuple[str, ...]


def pdf_signature_rows(parties: Sequence[PartyRow]) -> list[PdfSignatureRow]:
    """The signatures in the order of the members."""
    return [
        PdfSignatureRow(
            party.organisation,
            party.fingerprint,
            day(party.signed_at) if party.signed_at else "none yet",
            tuple(f"{approval.user.full_name}, {day(approval.at)}" for approval in party.approvals),
        )
        for party in parties
    ]


@dataclass(frozen=True)
class SideBySide:
    """A clause with what it said and what it says: each line with whether it went, came or stayed."""

    clause: ChangedClause

    @property
    def before(self) -> list[tuple[str, bool]]:
        """The lines that were, each with whether it went."""
        return [(line, mark == "-") for mark, line in self.clause.lines if mark != "+"]

    @property
    def after(self) -> list[tuple[str, bool]]:
        """The lines that are, each with whether it came."""
        return [(line, mark == "+") for mark, line in self.clause.lines if mark != "-"]


def side_by_side(
    before: tuple[AgreementVersion, Revision | None], after: tuple[AgreementVersion, Revision | None]
) -> list[SideBySide]:
    """The clauses of two wordings, in the order of the newer one."""
    old, new = (agreement_of(version, row.terms if row else None) for version, row in (before, after))
    return [SideBySide(clause) for clause in differences(old, new)]


def the_wording(version: AgreementVersion, number: str, revisions: Sequence[Revision]) -> Revision:
    """The wording of this number. Raises NotFound."""
    found = next((row for row in revisions if str(row.number) == number), None)
    if found is None:
        raise NotFound.of("wording")
    return found


def the_other(versions: Sequence[AgreementVersion], wanted: str) -> AgreementVersion:
    """The version of this id among those of the consortium. Raises NotFound."""
    try:
        wanted_id = UUID(wanted)
    except ValueError:
        raise NotFound.of("agreement") from None
    found = next((row for row in versions if row.pk == wanted_id), None)
    if found is None:
        raise NotFound.of("agreement")
    return found
