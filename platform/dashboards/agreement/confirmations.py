"""What is asked before a version is taken a step further or back, and what is done then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_noop as _

from accounts.models import User
from accounts.permissions import Permission
from agreements.actions import drafting, lifecycle, suspension
from agreements.models import AgreementVersion


@dataclass(frozen=True)
class Step:
    """Something that is asked before it is done: the question, what follows, and what is said once it is done."""

    permission: Permission
    question: str
    consequence: str
    yes: str
    done: str
    act: Callable[[AgreementVersion, str, User], object]
    """Takes what the form said: the reason, or the wording that was seen; nothing where there is no form."""
    reason: bool = False


STEPS: Mapping[str, Step] = {
    "upgrade": Step(
        Permission.AGREEMENT_DRAFT,
        _("Draft the next version under protocol 1.1, with the terms of %(version)s?"),
        _(
            "The draft has the same terms, and each term that protocol 1.1 added at its default. You and the members "
            "can change them before signing is opened."
        ),
        _("Draft it"),
        _("Drafted. Nobody is asked for anything before you propose it."),
        lambda version, statement, user: drafting.draft_upgrade(version=version, by=user),
    ),
    "propose": Step(
        Permission.AGREEMENT_DRAFT,
        _("Propose %(version)s?"),
        _("The members can then comment on it and change it. Nothing is signed yet."),
        _("Propose it"),
        _("Proposed. The members' stewards find it on their home page."),
        lambda version, statement, user: lifecycle.propose(version=version, by=user),
    ),
    "return-to-draft": Step(
        Permission.AGREEMENT_DRAFT,
        _("Take %(version)s back?"),
        _("It becomes a draft again, which only who drafts can change."),
        _("Take it back"),
        _("It is a draft again."),
        lambda version, statement, user: lifecycle.return_to_draft(version=version, by=user),
    ),
    "open-signing": Step(
        Permission.AGREEMENT_DRAFT,
        _("Open %(version)s for signing?"),
        _(
            "The text is fixed as it stands. Every member reads it and signs it on its own premises. A change later on "
            "throws the signatures away."
        ),
        _("Open signing"),
        _("Signing is open."),
        lambda version, statement, user: lifecycle.open_signing(
            version=version, seen_digest=statement or None, by=user
        ),
    ),
    "reopen": Step(
        Permission.AGREEMENT_NEGOTIATE,
        _("Stop the signing of %(version)s?"),
        _("The terms can then be changed. The signatures so far are thrown away: who has signed signs again."),
        _("Stop it"),
        _("The terms are open to changes again."),
        lambda version, statement, user: lifecycle.reopen(version=version, reason=statement, by=user),
        reason=True,
    ),
    "withdraw": Step(
        Permission.AGREEMENT_DRAFT,
        _("Withdraw %(version)s?"),
        _("It is withdrawn for good. What is in force now goes on, and another version can be drafted."),
        _("Withdraw it"),
        _("It is withdrawn."),
        lambda version, statement, user: lifecycle.withdraw(version=version, reason=statement, by=user),
        reason=True,
    ),
    "terminate": Step(
        Permission.AGREEMENT_DRAFT,
        _("End the agreement, %(version)s?"),
        _("No job is launched under it and no order is carried out any more, for no member. This can't be undone."),
        _("End it"),
        _("The agreement has ended."),
        lambda version, statement, user: suspension.terminate(version=version, reason=statement, by=user),
        reason=True,
    ),
}
