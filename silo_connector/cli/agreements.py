"""``silo-connector agreements | suspend``: what was signed here, and stopping it at once."""

from __future__ import annotations

import argparse
from uuid import UUID

from federation.errors import Invalid
from silo_connector import config as configuration
from silo_connector.agreements import Store, StoredAgreement
from silo_connector.cli.offline_signing import pinned_in
from silo_connector.cli.terminal import printable
from silo_connector.config import Config
from silo_connector.journal import Journal


def show(options: argparse.Namespace) -> int:
    """What is kept here."""
    store = _store(configuration.load(options.config))
    found = store.ids()
    if not found:
        print("No agreement has been signed here: orders are refused until one is (silo-connector sign).")
    for agreement_id in found:
        kept = store.find(agreement_id)
        if kept is not None:
            _show(agreement_id, kept)
    return 0


def suspend(options: argparse.Namespace) -> int:
    """Suspend one agreement, or all that are kept here; or end that."""
    config = configuration.load(options.config)
    store = _store(config)
    chosen = store.ids() if options.agreement_id is None else [_id(options.agreement_id)]
    if not chosen:
        raise Invalid("agreement.unknown", "No agreement is kept here, so there is nothing to suspend.")
    if options.lift and len(chosen) > 1:
        raise Invalid("arguments", "Several agreements are kept here: name the one whose suspension ends.")
    journal = Journal.of(config)
    for agreement_id in chosen:
        # What loosens is in the journal first, what tightens in the store: a crash in between leaves the stricter one.
        if options.lift:
            _note(journal, "agreement.lifted", agreement_id, store.known(agreement_id), options.reason)
            kept = store.lift(agreement_id)
        else:
            kept = store.suspend(agreement_id, options.reason)
            _note(journal, "agreement.suspended", agreement_id, kept, options.reason)
        _show(agreement_id, kept)
    print("This holds from the next order on. The platform need not know, and can't undo it.")
    return 0


def _note(journal: Journal, event: str, agreement_id: UUID, kept: StoredAgreement, reason: str) -> None:
    journal.add(event, agreement_id=str(agreement_id), agreement=kept.digest, reason=reason)


def _show(agreement_id: UUID, kept: StoredAgreement) -> None:
    agreement = kept.signed.agreement
    validity = agreement.terms.validity
    print(f"{agreement_id}  {printable(agreement.consortium)}")
    print(f"  version   {agreement.version}, signed here {kept.signed_at:%Y-%m-%d %H:%M} UTC")
    print(f"  hash      {kept.digest}")
    print(f"  valid     {validity.not_before:%Y-%m-%d} to {validity.not_after:%Y-%m-%d}")
    if kept.suspension is None:
        print("  state     signed by us")
    else:
        reason = f": {printable(kept.suspension.reason)}" if kept.suspension.reason else ""
        print(f"  state     SUSPENDED since {kept.suspension.since:%Y-%m-%d %H:%M} UTC{reason}")
    for earlier in reversed(kept.history[:-1]):
        print(f"  before    version {earlier.version}, {earlier.signed_at:%Y-%m-%d}, {earlier.digest}")


def _store(config: Config) -> Store:
    return Store(config.trainer_state, pinned_in(config).key)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        message = f"{printable(text)} is no id of an agreement; see: silo-connector agreements"
        raise Invalid("arguments", message) from error
