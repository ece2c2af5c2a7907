"""The last request of a silo that was refused: what its own people need to see where the silo itself can't report it.

Only a request that the silo's own key signed is recorded, so that no stranger can. One row a silo, seldom written:
a silo that is refused comes again every few seconds, for days if nobody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from federation.errors import FederationError, Transient
from federation.protocol.keys import PublicKey
from federation.protocol.requests import ClockOff
from realtime import database
from silos.models import RefusedRequest, Silo
from silos.transitions import SiloState

_NOT_THEIRS = frozenset({"signature.invalid", "signature.missing"})
_EVERY = timedelta(seconds=10)
_SAME_EVERY = timedelta(seconds=60)
_SKEW_S_MAX = 1e9
_WRITE = """
    INSERT INTO silos_refusedrequest (silo_id, code, at, clock_skew_s)
    SELECT id, %(code)s::varchar, %(now)s, %(clock_skew_s)s::float8 FROM silos_silo
    WHERE id = %(silo)s AND transport_key = %(transport)s AND NOT EXISTS (
        SELECT FROM silos_refusedrequest AS last WHERE last.silo_id = silos_silo.id
        AND (last.at > %(lately)s OR (last.code = %(code)s::varchar AND last.at > %(same_lately)s))
    )
    ON CONFLICT (silo_id) DO UPDATE
    SET code = EXCLUDED.code, at = EXCLUDED.at, clock_skew_s = EXCLUDED.clock_skew_s
"""


@contextmanager
def noted_for(silo_id: UUID | None, transport: PublicKey | None) -> Iterator[None]:
    """Write down what is refused within, where it is known that this key signed it and is the silo's."""
    try:
        yield
    except Transient:
        raise
    except FederationError as error:
        if silo_id is not None and transport is not None and error.code not in _NOT_THEIRS:
            _note(silo_id, transport, error)
        raise


def _note(silo_id: UUID, transport: PublicKey, error: FederationError) -> None:
    now = timezone.now()
    skew_s = max(-_SKEW_S_MAX, min(error.skew_s, _SKEW_S_MAX)) if isinstance(error, ClockOff) else None
    database.fetch(
        _WRITE,
        {
            "silo": silo_id,
            "transport": transport.raw,
            "code": error.code[:80],
            "clock_skew_s": skew_s,
            "now": now,
            "lately": now - _EVERY,
            "same_lately": now - _SAME_EVERY,
        },
    )


def refusal_of(silo: Silo) -> RefusedRequest | None:
    """The last request of the silo that was refused, if one was since it enrolled."""
    return getattr(silo, "refused_request", None)


def is_refused_now(silo: Silo) -> bool:
    """Whether a silo that works, or is to be confirmed, was refused lately, and nothing of it was taken since."""
    last = refusal_of(silo)
    if last is None or silo.state not in {SiloState.PRESENTED, SiloState.ACTIVE}:
        return False
    taken = [moment for moment in (silo.last_seen_at, silo.confirmed_at) if moment is not None]
    lately = timezone.now() - timedelta(seconds=settings.SILO_SILENT_AFTER_S)
    return last.code.startswith(("signature.", "protocol.")) and last.at > max([lately, *taken])


def remedy_for(last: RefusedRequest) -> str:
    """What a refused request means, and what to do, in the reader's language."""
    match last.code:
        case "signature.clock" if last.clock_skew_s is not None:
            names = {"seconds": number_format(abs(round(last.clock_skew_s)), use_l10n=True, force_grouping=True)}
            if last.clock_skew_s > 0:
                message = _("The clock of the relay's machine is %(seconds)s s ahead; 60 s are allowed.") % names
            else:
                message = _("The clock of the relay's machine is %(seconds)s s behind; 60 s are allowed.") % names
            return " ".join((message, _("Set it by NTP (timedatectl set-ntp true).")))
        case "signature.replayed":
            return _("The same request came twice. Run one relay a silo, and find out what repeats its requests.")
        case "protocol.version":
            return _(
                "The connector speaks an older protocol. Install the version that belongs to this platform, and start "
                "relay and trainer again."
            )
        case "silo.revoked":
            return _("The silo was revoked, and its relay still asks. Stop it, or enrol it again with a new code.")
        case "silo.unconfirmed":
            return _("The relay runs and asks. It waits for an administrator to confirm the fingerprints.")
    return _("The relay's log and “silo-connector doctor” say more of it.")
