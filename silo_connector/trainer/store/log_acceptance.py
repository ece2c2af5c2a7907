"""The organisation's word that a silo goes on with an audit log that broke: asked for, signed, taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol import envelope
from federation.protocol.documents import KeptHead, LogAcceptance, now, read, sign_document, verify_document
from federation.protocol.keys import PrivateKey, PublicKey
from federation.protocol.tree_heads import TreeHead
from silo_connector.config import Config
from silo_connector.journal import Journal
from silo_connector.own_keys import Signatory, identity_key
from silo_connector.trainer.store.audit_checkpoints import LOG_ACCEPTED, replace_head, stored_heads
from silo_connector.trainer.store.log_breaks import end_break, stored_breaks

BYTES_MAX = 1 << 16


def statement(config: Config, pinned: Signatory, chain: str | None) -> LogAcceptance:
    """What there is to be signed. Raises Invalid ``log.not_broken``, ``log.chain_required`` where several chains
    are.
    """
    status = stored_breaks(config.trainer_state).unaccepted
    if not status or (chain is not None and chain not in status):
        raise Invalid("log.not_broken", "The platform has shown no log that breaks with what is kept here.")
    if chain is None and len(status) > 1:
        raise Invalid("log.chain_required", f"Say with --chain which: {', '.join(sorted(status))}.")
    name = chain or next(iter(status))
    return LogAcceptance(
        identity_key=identity_key(config).public.encoded,
        signatory_key=pinned.key.encoded,
        chain=name,
        kept=KeptHead(**asdict(status[name].kept)),
        shown=KeptHead(**asdict(status[name].shown)),
        accepted_at=now(),
    )


def unsigned(statement: LogAcceptance) -> bytes:
    """The envelope that goes to where the key is."""
    return envelope.sign(statement.model_dump_json().encode(), LogAcceptance.payload_type)


def read_statement(sealed: bytes) -> LogAcceptance:
    """What an envelope asks to be signed. Raises Invalid ``log.malformed`` for another kind of file."""
    try:
        if envelope.payload_type_of(sealed) == LogAcceptance.payload_type:
            return read(LogAcceptance, envelope.payload_unverified(sealed))
    except FederationError as error:
        raise Invalid("log.malformed", f"The file holds no request to accept a log: {error.message}") from error
    raise Invalid("log.malformed", "The file holds no request to accept a log.")


def signed(statement: LogAcceptance, key: PrivateKey) -> bytes:
    """The same, signed. Raises Untrusted ``log.other_key`` if it names another signatory key."""
    if statement.signatory_key != key.public.encoded:
        raise Untrusted("log.other_key", "The trainer that asks has pinned another signatory key than this one.")
    return sign_document(statement, key)


def accept(config: Config, pinned: Signatory, sealed: bytes) -> LogAcceptance:
    """Take a signed acceptance: into the journal first, for it loosens; then the other head is kept.

    Raises Untrusted ``log.other_key`` and ``log.other_trainer``, Invalid ``log.changed`` (another head is kept than was
    signed for), and what ``verify_document`` raises.
    """
    document = verify_document(LogAcceptance, sealed, [pinned.key])
    if document.signatory_key != pinned.key.encoded:
        raise Untrusted("log.other_key", "The acceptance names another signatory key than the one that is pinned.")
    if document.identity_key != identity_key(config).public.encoded:
        raise Untrusted("log.other_trainer", "The acceptance is for another trainer.")
    kept = TreeHead(**document.kept.model_dump())
    status = stored_breaks(config.trainer_state).unaccepted.get(document.chain)
    if status is None or status.kept != kept or stored_heads(config.trainer_state).get(document.chain) != kept:
        raise Invalid("log.changed", "What is kept here is not what was signed for. Ask for the signature again.")
    acceptance = json.loads(sealed)
    Journal.of(config).add(
        LOG_ACCEPTED,
        signatory=pinned.key.key_id,
        acceptance=acceptance,
        chain=document.chain,
        kept=document.kept.model_dump(),
        shown=document.shown.model_dump(),
    )
    replace_head(config.trainer_state, document.chain, TreeHead(**document.shown.model_dump()))
    end_break(config.trainer_state, document.chain, acceptance)
    return document


def accepted_in(entry: Mapping[str, Any], config: Config, keys: frozenset[str]) -> LogAcceptance | None:
    """The acceptance in a line of the journal, if it is for this trainer and signed by whom it has to be."""
    try:
        sealed = json.dumps(entry.get("acceptance")).encode()
        key = PublicKey.from_encoded(read(LogAcceptance, envelope.payload_unverified(sealed)).signatory_key)
        document = verify_document(LogAcceptance, sealed, [key])
    except FederationError:
        return None
    return document if key.key_id in keys and document.identity_key == identity_key(config).public.encoded else None
