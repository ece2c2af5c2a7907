"""Who is notified of what, unless they chose otherwise. Only people who may see the thing themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop as _

from accounts.models import OrganisationRole, User
from accounts.permissions import Role
from audit.models import Event
from consortia.selectors import active_organisations, people_in
from monitoring.models import Kind
from training.models import Job


@dataclass(frozen=True)
class Rule:
    """What a kind of notice says of itself, and whose e-mail is on without their asking."""

    why: str
    launcher: bool = False
    consortium_roles: tuple[Role, ...] = ()
    organisation_roles: tuple[Role, ...] = ()
    """Of the organisation that it is about."""
    by_default: frozenset[str] = frozenset()
    member_roles: tuple[Role, ...] = ()
    """Of any organisation that takes part in the consortium."""


LAUNCHER = "launcher"
_STEWARD, _BY_STEWARD = (Role.STEWARD,), frozenset({Role.STEWARD})
_ADMINISTRATOR, _ORGANISATION = Role.CONSORTIUM_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR

RULES: Mapping[Kind, Rule] = {
    Kind.JOB_COMPLETED: Rule(
        _("You launched it, or administer the consortium."), True, (_ADMINISTRATOR,), (), frozenset({LAUNCHER})
    ),
    Kind.JOB_FAILED: Rule(
        _("You launched it, or administer the consortium."),
        True,
        (_ADMINISTRATOR,),
        (),
        frozenset({LAUNCHER, _ADMINISTRATOR}),
    ),
    Kind.JOB_PAUSED: Rule(
        _("You launched it, or administer the consortium."),
        True,
        (_ADMINISTRATOR,),
        (),
        frozenset({LAUNCHER, _ADMINISTRATOR}),
    ),
    Kind.ROUND_ABANDONED: Rule(_("You launched the job, or administer the consortium."), True, (_ADMINISTRATOR,)),
    Kind.SILO_SILENT: Rule(
        _("You belong to its IT, or administer its organisation."),
        False,
        (),
        (Role.SILO_IT, _ORGANISATION),
        frozenset({Role.SILO_IT}),
    ),
    Kind.SILO_PRESENTED: Rule(_("You may confirm it."), False, (), (_ORGANISATION,), frozenset({_ORGANISATION})),
    Kind.ORDER_REFUSED: Rule(
        _("You launched the job, administer the consortium, or belong to the silo's IT."),
        True,
        (_ADMINISTRATOR,),
        (Role.SILO_IT, _ORGANISATION),
        frozenset({LAUNCHER, Role.SILO_IT}),
    ),
    Kind.UPDATE_REJECTED: Rule(
        _("You launched the job, administer the consortium, or belong to the silo's IT."),
        True,
        (_ADMINISTRATOR,),
        (Role.SILO_IT, _ORGANISATION),
        frozenset({LAUNCHER, _ADMINISTRATOR, Role.SILO_IT}),
    ),
    Kind.RECORD_CHANGED: Rule(
        _("You administer or audit the consortium, or belong to the silo's IT."),
        False,
        (_ADMINISTRATOR, Role.AUDITOR),
        (Role.SILO_IT, Role.AUDITOR, _ORGANISATION),
        frozenset({_ADMINISTRATOR, Role.AUDITOR, Role.SILO_IT}),
    ),
    Kind.SILO_REVOKED: Rule(
        _("You belong to its IT, watch over its data, or administer its organisation."),
        False,
        (),
        (Role.SILO_IT, Role.STEWARD, _ORGANISATION),
        frozenset({Role.SILO_IT, Role.STEWARD, _ORGANISATION}),
    ),
    Kind.INVITATION: Rule(_("You may answer it."), False, (), (_ORGANISATION,), frozenset({_ORGANISATION})),
    Kind.AGREEMENT_PROPOSED: Rule(_("You are steward of a member."), member_roles=_STEWARD, by_default=_BY_STEWARD),
    Kind.AGREEMENT_SIGNING: Rule(_("You are steward of a member."), member_roles=_STEWARD, by_default=_BY_STEWARD),
    Kind.PLAN_PROPOSED: Rule(
        _("You are steward of a member: its code runs at your silos only with your approval."),
        member_roles=_STEWARD,
        by_default=_BY_STEWARD,
    ),
}


def people_for(kind: Kind, event: Event) -> QuerySet[User]:
    """Anyone who may be notified of this event."""
    rule = RULES[kind]
    wanted = Q(pk__in=[])
    if rule.launcher and event.job_id:
        launched = Job.objects.select_related("consortium").filter(id=event.job_id).first()
        if launched is not None:  # who launched it may take part no longer
            wanted |= Q(pk__in=people_in(launched.consortium).filter(pk=launched.launched_by_id).values("pk"))
    if rule.consortium_roles and event.consortium_id:
        wanted |= Q(consortium_roles__consortium=event.consortium_id, consortium_roles__role__in=rule.consortium_roles)
    if rule.organisation_roles and event.organisation_id:
        wanted |= Q(
            organisation_roles__organisation=event.organisation_id, organisation_roles__role__in=rule.organisation_roles
        )
    if rule.member_roles and event.consortium_id:
        held = OrganisationRole.objects.filter(
            role__in=rule.member_roles, organisation__in=active_organisations(event.consortium_id)
        )
        wanted |= Q(pk__in=held.values("user"))
    return User.objects.filter(wanted, is_active=True).distinct()


def roles_where(person: User, kind: Kind, event: Event) -> set[str]:
    """What somebody is in the organisation that it is about; in any of theirs, where it is about all members."""
    everywhere = bool(RULES[kind].member_roles)
    held = person.organisation_roles.all()
    return {role.role for role in held if everywhere or role.organisation_id == event.organisation_id}


def default_for(kind: Kind, *, is_launcher: bool, roles: frozenset[str]) -> bool:
    """Whether somebody who is this is sent an e-mail without having chosen."""
    held = roles | ({LAUNCHER} if is_launcher else frozenset())
    return bool(RULES[kind].by_default & held)
