"""What the verbs of events say to people. What has no words here is told by its verb."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

DEEDS: Mapping[str, str] = {
    "api_token.issued": _("API token made"),
    "api_token.revoked": _("API token revoked"),
    "consortium.edited": _("consortium described anew"),
    "consortium.founded": _("consortium founded"),
    "consortium_role.granted": _("role in a consortium granted"),
    "consortium_role.revoked": _("role in a consortium taken back"),
    "dataset.offered": _("dataset offered again"),
    "dataset.registered": _("dataset registered"),
    "dataset.withdrawn": _("dataset withdrawn"),
    "invitation.accepted": _("invitation accepted"),
    "invitation.declined": _("invitation declined"),
    "invitation.withdrawn": _("invitation taken back"),
    "job.cancelled": _("job cancelled"),
    "job.completed": _("job completed"),
    "job.failed": _("job failed"),
    "job.launched": _("job launched"),
    "job.paused": _("job paused"),
    "job.running": _("job running"),
    "model.downloaded": _("model downloaded"),
    "model.pruned": _("old versions of a model deleted"),
    "order.called_back": _("order called back"),
    "order.refused": _("order refused"),
    "order.submitted": _("order answered"),
    "organisation.created": _("organisation taken in"),
    "organisation.edited": _("organisation corrected"),
    "organisation_role.granted": _("role in an organisation granted"),
    "organisation_role.revoked": _("role in an organisation taken back"),
    "participation.ended": _("participation ended by the consortium"),
    "participation.invited": _("organisation invited"),
    "participation.joined": _("organisation takes part"),
    "participation.left": _("organisation left"),
    "platform.key_rotated": _("platform's key changed"),
    "round.abandoned": _("round given up"),
    "round.closed": _("round closed"),
    "round.opened": _("round opened"),
    "round.updates_deleted": _("updates of a round deleted"),
    "signatory_key.added": _("signatory key registered"),
    "signatory_key.revoked": _("signatory key revoked"),
    "silo.code_issued": _("enrolment code made"),
    "silo.confirmed": _("silo confirmed"),
    "silo.created": _("silo made"),
    "silo.presented": _("connector presented itself"),
    "silo.revoked": _("silo revoked"),
    "silo.silent": _("silo fell silent"),
    "update.rejected": _("update rejected"),
    "user.created": _("account made"),
    "user.deactivated": _("account closed"),
    "user.identity_tied": _("identity provider tied to an account"),
    "user.language_chosen": _("language chosen"),
    "user.password_set": _("password set"),
    "user.reactivated": _("account opened again"),
    "user.recovery_code_used": _("recovery code used"),
    "user.recovery_codes_renewed": _("recovery codes made anew"),
    "user.second_factor_removed": _("second factor removed"),
    "user.second_factor_set_up": _("second factor set up"),
    "user.session_ended": _("signed out elsewhere"),
    "user.sessions_ended": _("signed out everywhere"),
    "user.signed_in": _("signed in"),
    "user.welcome_renewed": _("invitation to the platform made anew"),
    "webhook.added": _("webhook added"),
    "webhook.removed": _("webhook removed"),
}


def deed_of(verb: str) -> str:
    """What was done, in the reader's language."""
    return gettext(DEEDS[verb]) if verb in DEEDS else verb
