"""One at a time: a version is changed with its consortium's row held, in the order in which members leave it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agreements.models import AgreementVersion
from agreements.transitions import AgreementState, check_transition
from audit.actions import record
from audit.actors import Actor
from audit.reasons import Reason
from consortia.models import Consortium
from rest.errors import Conflict


def lock_consortium(consortium: Consortium) -> Consortium:
    """The consortium, held until the transaction ends: nobody joins it, leaves it or drafts meanwhile."""
    return Consortium.objects.select_for_update(no_key=True).get(pk=consortium.pk)


def lock_version(version: AgreementVersion) -> AgreementVersion:
    """The version as it is now, with its consortium, held until the transaction ends."""
    consortium = Consortium.objects.select_for_update(no_key=True).get(pk=version.consortium_id)
    locked = AgreementVersion.objects.select_for_update(of=("self",)).select_related("supersedes").get(pk=version.pk)
    locked.consortium = consortium
    return locked


def move(locked: AgreementVersion, to: AgreementState, **changes: Any) -> None:
    """The only place in which a version's state changes, together with what changes with it.

    Raises Conflict `agreement.transition`.
    """
    check_transition(AgreementState(locked.state), to)
    locked.state = to
    for name, value in changes.items():
        setattr(locked, name, value)
    locked.save(update_fields=["state", *changes])


def columns_of(why: Reason) -> dict[str, Any]:
    """Why a version is where it is, as `move` takes it."""
    return {"reason_code": why.code, "reason_params": why.params, "reason": why.text}


def check_digest_is_current(locked: AgreementVersion, seen_digest: str | None) -> None:
    """Raise Conflict `agreement.changed_meanwhile` unless this is the wording that was seen; None sees any."""
    if seen_digest is not None and seen_digest != locked.terms_digest:
        raise Conflict(
            "agreement.changed_meanwhile",
            "Somebody else has changed the terms since you opened them. Compare with what they say now, then try "
            "again.",
            "seen_digest",
        )


def write_down(version: AgreementVersion, verb: str, detail: Mapping[str, Any], by: Actor) -> AgreementVersion:
    """Records what became of a version."""
    record(
        by=by,
        verb=verb,
        subject=version,
        consortium_id=version.consortium_id,
        detail={"version": version.number, **detail},
    )
    return version
