"""The heads and agreements that are kept, each with its line in the journal *before* it is kept, and one afterwards.

Memory and journal that are put back to one earlier moment fit together. What stayed beside them knows better: a head or
an agreement that no line names.
"""

from __future__ import annotations

import contextlib

from federation.errors import FederationError, Invalid
from silo_connector.agreements import Store
from silo_connector.config import Config
from silo_connector.own_keys import Signatory
from silo_connector.trainer.store import audit_checkpoints

KEEPING_VERSION = "agreement.keeping"
"""A version that was signed here is about to be kept."""


def stored_documents(config: Config, pinned: Signatory | None) -> dict[str, str]:
    """What is kept, in words, by its digest; what can't be read is passed over, since nothing is done under it."""
    found = {}
    with contextlib.suppress(Invalid):
        for chain, head in sorted(audit_checkpoints.stored_heads(config.trainer_state).items()):
            found[head.digest] = f"{chain} is kept at {head.position}, {head.digest}"
    if pinned is None:
        return found
    store = Store(config.trainer_state, pinned.key)
    for agreement_id in store.ids():
        kept = None
        with contextlib.suppress(FederationError, OSError):
            kept = store.find(agreement_id)
        if kept is not None:
            found[kept.digest] = f"version {kept.signed.agreement.version} of agreement {agreement_id} is kept"
    return found
