"""What may be done, by whom: permissions, and roles as sets of them. Pure; who holds a role is asked elsewhere."""

from __future__ import annotations

from enum import Enum

from django.db import models
from django.utils.translation import gettext_lazy as _


class Permission(Enum):
    """One thing that may be done, noun first."""

    ORGANISATION_CREATE = "organisation.create"
    ORGANISATION_VIEW = "organisation.view"
    ORGANISATION_EDIT = "organisation.edit"
    USER_CREATE = "user.create"
    USER_EDIT = "user.edit"
    ORGANISATION_ROLE_GRANT = "organisation_role.grant"
    SIGNATORY_KEY_MANAGE = "signatory_key.manage"
    CONSORTIUM_FOUND = "consortium.found"
    CONSORTIUM_VIEW = "consortium.view"
    CONSORTIUM_EDIT = "consortium.edit"
    CONSORTIUM_ROLE_GRANT = "consortium_role.grant"
    PARTICIPANT_INVITE = "participant.invite"
    PARTICIPANT_REMOVE = "participant.remove"
    INVITATION_ANSWER = "invitation.answer"
    CONSORTIUM_LEAVE = "consortium.leave"
    SILO_VIEW = "silo.view"
    SILO_ENROL = "silo.enrol"
    SILO_CONFIRM = "silo.confirm"
    SILO_REVOKE = "silo.revoke"
    DATASET_VIEW = "dataset.view"
    DATASET_MANAGE = "dataset.manage"
    DATASET_CONFIRM = "dataset.confirm"
    AGREEMENT_VIEW = "agreement.view"
    AGREEMENT_DRAFT = "agreement.draft"
    AGREEMENT_NEGOTIATE = "agreement.negotiate"
    AGREEMENT_APPROVE = "agreement.approve"
    AGREEMENT_SUSPEND = "agreement.suspend"
    PLAN_VIEW = "plan.view"
    PLAN_UPLOAD = "plan.upload"
    PLAN_REVIEW = "plan.review"
    JOB_VIEW = "job.view"
    JOB_LAUNCH = "job.launch"
    JOB_CONTROL = "job.control"
    MODEL_VIEW = "model.view"
    MODEL_DOWNLOAD = "model.download"
    MODEL_MANAGE = "model.manage"
    EVENT_VIEW = "event.view"


P = Permission


class Role(models.TextChoices):
    """What somebody is, on the platform, in an organisation or in a consortium."""

    PLATFORM_ADMINISTRATOR = "platform_administrator", _("Platform administrator")
    CONSORTIUM_ADMINISTRATOR = "consortium_administrator", _("Consortium administrator")
    ORGANISATION_ADMINISTRATOR = "organisation_administrator", _("Organisation administrator")
    STEWARD = "steward", _("Steward")
    SILO_IT = "silo_it", _("Silo IT")
    DATA_SCIENTIST = "data_scientist", _("Data scientist")
    AUDITOR = "auditor", _("Auditor")


_READ = frozenset(
    {
        P.ORGANISATION_VIEW,
        P.CONSORTIUM_VIEW,
        P.SILO_VIEW,
        P.DATASET_VIEW,
        P.AGREEMENT_VIEW,
        P.PLAN_VIEW,
        P.JOB_VIEW,
        P.MODEL_VIEW,
    }
)

ROLES: dict[Role, frozenset[Permission]] = {
    # Keeps the platform; sees what runs on it, launches nothing and downloads no model.
    Role.PLATFORM_ADMINISTRATOR: _READ
    | {
        P.ORGANISATION_CREATE,
        P.ORGANISATION_EDIT,
        P.USER_CREATE,
        P.USER_EDIT,
        P.ORGANISATION_ROLE_GRANT,
        P.CONSORTIUM_FOUND,
        P.EVENT_VIEW,
    },
    Role.CONSORTIUM_ADMINISTRATOR: _READ
    | {
        P.CONSORTIUM_EDIT,
        P.CONSORTIUM_ROLE_GRANT,
        P.PARTICIPANT_INVITE,
        P.PARTICIPANT_REMOVE,
        P.AGREEMENT_DRAFT,
        P.AGREEMENT_NEGOTIATE,
        P.JOB_CONTROL,
        P.MODEL_DOWNLOAD,
        P.MODEL_MANAGE,
        P.EVENT_VIEW,
    },
    Role.ORGANISATION_ADMINISTRATOR: _READ
    | {
        P.ORGANISATION_EDIT,
        P.USER_CREATE,
        P.ORGANISATION_ROLE_GRANT,
        P.SIGNATORY_KEY_MANAGE,
        P.CONSORTIUM_FOUND,
        P.INVITATION_ANSWER,
        P.CONSORTIUM_LEAVE,
        P.SILO_ENROL,
        P.SILO_CONFIRM,
        P.SILO_REVOKE,
        P.DATASET_MANAGE,
        P.AGREEMENT_NEGOTIATE,
        P.EVENT_VIEW,
    },
    # Speaks for the organisation where data are used: approves and hands in what its signatory signed, suspends at
    # once.
    Role.STEWARD: _READ
    | {
        P.SIGNATORY_KEY_MANAGE,
        P.INVITATION_ANSWER,
        P.CONSORTIUM_LEAVE,
        P.SILO_REVOKE,
        P.DATASET_MANAGE,
        P.DATASET_CONFIRM,
        P.AGREEMENT_NEGOTIATE,
        P.AGREEMENT_APPROVE,
        P.AGREEMENT_SUSPEND,
        P.PLAN_REVIEW,
        P.EVENT_VIEW,
    },
    # Makes the code and runs the connector; somebody else of the organisation confirms the fingerprints.
    Role.SILO_IT: _READ | {P.SILO_ENROL, P.SILO_REVOKE},
    Role.DATA_SCIENTIST: _READ | {P.PLAN_UPLOAD, P.JOB_LAUNCH, P.JOB_CONTROL, P.MODEL_DOWNLOAD},
    Role.AUDITOR: _READ | {P.EVENT_VIEW},
}

ORGANISATION_ROLES = (
    Role.ORGANISATION_ADMINISTRATOR,
    Role.STEWARD,
    Role.SILO_IT,
    Role.DATA_SCIENTIST,
    Role.AUDITOR,
)
CONSORTIUM_ROLES = (Role.CONSORTIUM_ADMINISTRATOR, Role.DATA_SCIENTIST, Role.AUDITOR)

# A role in an organisation holds in the consortia where that organisation takes part, but for these: what touches the
# other members is granted in the consortium, by its administrator.
GRANTED_IN_CONSORTIUM_ONLY = frozenset(
    {
        P.CONSORTIUM_EDIT,
        P.CONSORTIUM_ROLE_GRANT,
        P.PARTICIPANT_INVITE,
        P.PARTICIPANT_REMOVE,
        P.AGREEMENT_DRAFT,
        P.PLAN_UPLOAD,
        P.JOB_LAUNCH,
        P.JOB_CONTROL,
        P.MODEL_MANAGE,
    }
)
# ... and these, which are about the organisation itself and say nothing about a consortium as a whole.
ABOUT_THE_ORGANISATION = frozenset(
    {
        P.ORGANISATION_EDIT,
        P.USER_CREATE,
        P.USER_EDIT,
        P.ORGANISATION_ROLE_GRANT,
        P.SIGNATORY_KEY_MANAGE,
        P.SILO_ENROL,
        P.SILO_CONFIRM,
        P.SILO_REVOKE,
        P.DATASET_MANAGE,
        P.DATASET_CONFIRM,
        P.AGREEMENT_APPROVE,
        P.AGREEMENT_SUSPEND,
        P.PLAN_REVIEW,
        P.INVITATION_ANSWER,
        P.CONSORTIUM_LEAVE,
    }
)


def in_consortium(role: Role) -> frozenset[Permission]:
    """What a role held in an organisation allows in the consortia where that organisation is active."""
    return ROLES[role] - GRANTED_IN_CONSORTIUM_ONLY - ABOUT_THE_ORGANISATION


def roles_allowing(permission: Permission) -> tuple[Role, ...]:
    """The roles that hold a permission."""
    return tuple(role for role in Role if permission in ROLES[role])


def organisation_roles_allowing(permission: Permission) -> tuple[Role, ...]:
    """The roles that, held in an organisation, give a permission in the consortia where it takes part."""
    return tuple(role for role in ORGANISATION_ROLES if permission in in_consortium(role))
