"""What the trainer says with each heartbeat of the platform that it has seen: its numbers, its log, signed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from federation.errors import FederationError
from federation.protocol.documents import ChainHead, SiloState, now
from federation.protocol.documents.states import CHAINS_REPORTED_MAX
from federation.protocol.keys import PrivateKey
from silo_connector.logs import Log
from silo_connector.trainer.egress.filter import leave_acceptance, sign_if_allowed
from silo_connector.trainer.orders.verification import Trust
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from silo_connector.trainer.store.log_breaks import stored_breaks

LOG = Log("trainer")
ACCEPTANCES_REPORTED_MAX = 10


@dataclass(frozen=True)
class SiloStatus:
    """A sealed `SiloState`, and the organisation's sealed acceptances: what the status carries."""

    state: dict[str, Any] | None = None
    acceptances: tuple[dict[str, Any], ...] = ()
    of: tuple[object, ...] = ()
    """What it was made from: signed again only when that changes."""


def current_status(state: Path, key: PrivateKey, trust: Trust, highest_number: int, before: SiloStatus) -> SiloStatus:
    """What is to be reported now; what was reported before while nothing has changed, or can't be read."""
    try:
        heads, breaks = stored_heads(state), stored_breaks(state)
        heads_in_order = tuple(sorted(heads.items()))
        of = (trust.silo_id, highest_number, heads_in_order, tuple(breaks.unaccepted), str(breaks.accepted))
        if of == before.of:
            return before
        broken_first = sorted(heads.items(), key=lambda item: item[0] in breaks.unaccepted, reverse=True)
        newest = broken_first[:CHAINS_REPORTED_MAX]
        by_name = SiloState(
            silo_id=trust.silo_id,
            highest_number=highest_number,
            heads=tuple(ChainHead(chain=chain, **asdict(head)) for chain, head in newest),
            platform_older=bool(breaks.unaccepted),
            made_at=now(),
        )
        accepted = list(breaks.accepted.values())[-ACCEPTANCES_REPORTED_MAX:]
        leaving = [leave_acceptance(json.dumps(one).encode(), trust.signatory_key) for one in accepted]
        return SiloStatus(json.loads(sign_if_allowed(by_name, key)), tuple(json.loads(one) for one in leaving), of)
    except (FederationError, OSError) as error:
        LOG.error("seen.unreadable", reason=str(error))
        return before
