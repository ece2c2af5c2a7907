"""What is done to invitations: sent, accepted, declined, withdrawn."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts.models import Organisation, User
from audit.actions import record
from audit.actors import Actor
from consortia.models import Consortium, Invitation, InvitationAnswer, Participation
from consortia.transitions import ParticipationState, check_participation_transition
from rest.errors import Conflict

ANSWERED = {
    InvitationAnswer.ACCEPTED: _("This invitation has been accepted already."),
    InvitationAnswer.DECLINED: _("This invitation has been declined already. The consortium can invite again."),
    InvitationAnswer.WITHDRAWN: _("This invitation has been taken back already. The consortium can invite again."),
}
_STATE_AFTER = {
    InvitationAnswer.ACCEPTED: ParticipationState.ACTIVE,
    InvitationAnswer.DECLINED: ParticipationState.DECLINED,
    InvitationAnswer.WITHDRAWN: ParticipationState.WITHDRAWN,
}


@transaction.atomic
def invite(*, consortium: Consortium, organisation: Organisation, message: str = "", by: Actor) -> Invitation:
    """Invite an organisation. Raises Conflict `participation.active|invited` where it is in, or invited, already."""
    Consortium.objects.select_for_update(no_key=True).get(pk=consortium.pk)
    participation = (
        Participation.objects.select_for_update().filter(consortium=consortium, organisation=organisation).first()
    )
    if participation is None:
        participation = Participation.objects.create(
            consortium=consortium, organisation=organisation, state=ParticipationState.INVITED
        )
    else:
        _check_may_be_invited(ParticipationState(participation.state))
        participation.state, participation.joined_at, participation.left_at = ParticipationState.INVITED, None, None
        participation.save(update_fields=["state", "joined_at", "left_at"])
    invitation = Invitation.objects.create(
        participation=participation, message=message, invited_by=by if isinstance(by, User) else None
    )
    record(
        by=by,
        verb="participation.invited",
        subject=organisation,
        consortium_id=consortium.id,
        organisation_id=organisation.id,
        detail={"organisation": organisation.name},
    )
    return invitation


def _check_may_be_invited(now: ParticipationState) -> None:
    if now is ParticipationState.ACTIVE:
        raise Conflict("participation.active", "This organisation takes part already.", "organisation")
    if now is ParticipationState.INVITED:
        raise Conflict(
            "participation.invited",
            "This organisation has an open invitation. Take that back before you send another.",
            "organisation",
        )
    check_participation_transition(now, ParticipationState.INVITED)


def accept(*, invitation: Invitation, by: Actor) -> Participation:
    """The organisation joins. Raises Conflict `invitation.answered`."""
    return _answer(invitation=invitation, answer=InvitationAnswer.ACCEPTED, by=by)


def decline(*, invitation: Invitation, by: Actor) -> Participation:
    """The organisation does not want to. Raises Conflict `invitation.answered`."""
    return _answer(invitation=invitation, answer=InvitationAnswer.DECLINED, by=by)


def withdraw(*, invitation: Invitation, by: Actor) -> Participation:
    """The consortium takes the invitation back. Raises Conflict `invitation.answered`."""
    return _answer(invitation=invitation, answer=InvitationAnswer.WITHDRAWN, by=by)


@transaction.atomic
def _answer(*, invitation: Invitation, answer: InvitationAnswer, by: Actor) -> Participation:
    participation = (
        Participation.objects.select_for_update(of=("self",))
        .select_related("organisation", "consortium")
        .get(pk=invitation.participation_id)
    )
    locked = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if locked.answer:
        raise Conflict("invitation.answered", ANSWERED[InvitationAnswer(locked.answer)])
    state = _STATE_AFTER[answer]
    check_participation_transition(ParticipationState(participation.state), state)
    now = timezone.now()
    locked.answer, locked.answered_at = answer, now
    locked.answered_by = by if isinstance(by, User) else None
    locked.save(update_fields=["answer", "answered_at", "answered_by"])
    participation.state = state
    participation.joined_at = now if state is ParticipationState.ACTIVE else None
    participation.save(update_fields=["state", "joined_at"])
    record(
        by=by,
        verb=f"invitation.{answer.value}",
        subject=participation.organisation,
        consortium_id=participation.consortium_id,
        organisation_id=participation.organisation_id,
        detail={"organisation": participation.organisation.name},
    )
    return participation
