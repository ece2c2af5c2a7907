"""What is done to versions whose time is over, or one of whose members is gone: the platform says so by itself.

A member leaves, or revokes its key, in apps below this one, which know nothing of agreements. So nobody is informed at
that moment; it is asked whenever it matters (`selectors.in_force`, `accept_signature`), and the sweep writes it down.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from agreements.actions.lifecycle import discard_signatures_and_reopen
from agreements.locking import columns_of, lock_version, move, write_down
from agreements.membership import former_members
from agreements.models import AgreementVersion
from agreements.transitions import CURRENT, AgreementState
from audit.actors import Actor
from audit.reasons import Reason

S = AgreementState
_NAMES_LENGTH_MAX = 2000


@transaction.atomic
def update_state(*, version: AgreementVersion, by: Actor) -> AgreementVersion:
    """Bring a version's state up to what is the case: expired, suspended, or open to changes again."""
    locked = lock_version(version)
    now = timezone.now()
    if locked.state == S.SIGNING:
        _settle_signing(locked, by)
    elif locked.state in CURRENT and locked.is_over(now):
        why = Reason("agreement.expired", {"ended_on": _end_of(locked)})
        move(locked, S.EXPIRED, ended_at=now, **columns_of(why))
        write_down(locked, "agreement.expired", {"digest": locked.digest}, by)
    elif locked.state == S.IN_FORCE and (gone := former_members(locked)):
        move(locked, S.SUSPENDED, **columns_of(Reason("agreement.member_gone", {"gone": _named(gone)})))
        write_down(locked, "agreement.suspended", {"digest": locked.digest, "gone": gone}, by)
    return locked


def _settle_signing(locked: AgreementVersion, by: Actor) -> None:
    if gone := former_members(locked):
        why = Reason("agreement.member_gone", {"gone_while_signing": _named(gone)})
        discard_signatures_and_reopen(locked=locked, why=why, by=by)
    elif locked.is_outdated:
        discard_signatures_and_reopen(
            locked=locked, why=Reason("agreement.protocol", {"opened_under": locked.protocol}), by=by
        )
    elif locked.is_over(timezone.now()):
        discard_signatures_and_reopen(
            locked=locked, why=Reason("agreement.expired", {"signing_ended_on": _end_of(locked)}), by=by
        )


def _named(gone: list[str]) -> str:
    return ", ".join(gone)[:_NAMES_LENGTH_MAX]


def _end_of(version: AgreementVersion) -> str:
    return "" if version.not_after is None else version.not_after.date().isoformat()


def update_all_states(*, by: Actor) -> int:
    """Do so for every version of which the state is old; how many there were. The others are only looked at."""
    rows = AgreementVersion.objects.filter(state__in=(S.SIGNING, *CURRENT)).defer("payload", "envelope")
    due = [version for version in rows.order_by("drafted_at") if _is_due(version)]
    for version in due:
        update_state(version=version, by=by)
    return len(due)


def _is_due(version: AgreementVersion) -> bool:
    if version.state == S.SIGNING and version.is_outdated:
        return True
    return version.is_over(timezone.now()) or (version.state != S.SUSPENDED and bool(former_members(version)))
