"""The organisation's word that a trainer may go on although part of its state was lost: asked for, signed, taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import StateAcceptance, now, read, sign_document, verify_document
from federation.protocol.documents.acceptances import LOST_MAX
from federation.protocol.keys import PrivateKey, PublicKey
from silo_connector.agreements import Store
from silo_connector.config import Config
from silo_connector.journal import Journal, entries, raw_lines, start_new_journal
from silo_connector.own_keys import PINNED, SIGNATORY_PIN, Signatory, identity_key
from silo_connector.trainer.store.audit_checkpoints import raise_heads
from silo_connector.trainer.store.kept import stored_documents
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.statistics import ADMITTED

if TYPE_CHECKING:
    from silo_connector.trainer.store.past import Past

ACCEPTED = "state.accepted"
BYTES_MAX = 1 << 20


def statement(config: Config, pinned: Signatory, past: Past) -> StateAcceptance:
    """What there is to be signed. Raises Invalid ``state.not_older`` where nothing is older."""
    if not past.older:
        raise Invalid("state.not_older", "Nothing here is older than the journal: there is nothing to accept.")
    _check_signatory(past)
    lines, digest = _end(config)
    return StateAcceptance(
        identity_key=identity_key(config).public.encoded,
        signatory_key=pinned.key.encoded,
        journal_lines=lines,
        journal_digest=digest,
        lost=_lost(past),
        lost_count=len(past.older),
        accepted_at=now(),
    )


def unsigned(statement: StateAcceptance) -> bytes:
    """The envelope that goes to where the key is."""
    return envelope.sign(statement.model_dump_json().encode(), StateAcceptance.payload_type)


def read_statement(sealed: bytes) -> StateAcceptance:
    """What an envelope asks to be signed. Raises Invalid ``state.malformed`` for another kind of file."""
    try:
        if envelope.payload_type_of(sealed) == StateAcceptance.payload_type:
            return read(StateAcceptance, envelope.payload_unverified(sealed))
    except FederationError as error:
        raise Invalid("state.malformed", f"The file holds no request to accept a state: {error.message}") from error
    raise Invalid("state.malformed", "The file holds no request to accept a state.")


def signed(statement: StateAcceptance, key: PrivateKey) -> bytes:
    """The same, signed. Raises Untrusted ``state.other_key`` if it names another signatory key."""
    if statement.signatory_key != key.public.encoded:
        raise Untrusted("state.other_key", "The trainer that asks has pinned another signatory key than this one.")
    return sign_document(statement, key)


def accept(config: Config, pinned: Signatory, past: Past, memory: Memory, sealed: bytes) -> StateAcceptance:
    """Take a signed acceptance: keep what the journal still knows, then write the line from which it counts.

    Raises Untrusted ``state.other_key`` and ``state.other_trainer``, Invalid ``state.changed`` (it is about something
    else than what is older now, or was used before), and what ``verify_document`` raises.
    """
    document = verify_document(StateAcceptance, sealed, [pinned.key])
    if document.signatory_key != pinned.key.encoded:
        raise Untrusted("state.other_key", "The acceptance names another signatory key than the one that is pinned.")
    if document.identity_key != identity_key(config).public.encoded:
        raise Untrusted("state.other_trainer", "The acceptance is for another trainer.")
    if (document.lost, document.lost_count) != (_lost(past), len(past.older)) or not _is_next(config, document):
        raise Invalid("state.changed", "What is older is not what was signed for. Ask for the signature again.")
    _check_signatory(past)
    raise_heads(config.trainer_state, past.heads)
    memory.statistics.restore(entries(config.trainer_state, ADMITTED))
    _suspend_again(config, pinned, past)
    journal = Journal.of(config)
    fields: dict[str, Any] = {
        "signatory": pinned.key.key_id,
        "acceptance": json.loads(sealed),
        "numbers": _numbers(past, memory),
        "lost_jobs": sorted(past.lost_jobs),
        "kept": sorted(stored_documents(config, pinned)),
    }
    if past.is_journal_broken:
        noted = memory.journal_head()
        fields["journal_put_aside"] = {"lines": noted.lines, "digest": noted.digest}
        start_new_journal(config.trainer_state, ACCEPTED, fields, config.syslog)
    else:
        journal.add(ACCEPTED, **fields)
    if past.is_journal_broken or past.signatory is None:
        journal.add(PINNED, signatory=pinned.key.key_id)
    return document


def signatories(config: Config, pinned: Signatory | None) -> frozenset[str]:
    """The signatory keys whose acceptances count: the pinned one, and those that the journal has seen pinned."""
    seen = (str(entry.get("signatory")) for entry in entries(config.trainer_state, PINNED))
    return frozenset(seen) | (frozenset() if pinned is None else {pinned.key.key_id})


def is_accepted(entry: Mapping[str, Any], config: Config, keys: frozenset[str]) -> bool:
    """Whether a line of the journal holds an acceptance for this trainer, signed by whom it has to be."""
    try:
        sealed = json.dumps(entry.get("acceptance")).encode()
        key = PublicKey.from_encoded(read(StateAcceptance, envelope.payload_unverified(sealed)).signatory_key)
        document = verify_document(StateAcceptance, sealed, [key])
        return key.key_id in keys and document.identity_key == identity_key(config).public.encoded
    except FederationError:
        return False


def put_aside(entry: Mapping[str, Any]) -> tuple[int, str | None] | None:
    """The head of the journal that was put aside with an acceptance, if one was."""
    match entry:
        case {"journal_put_aside": {"lines": int(lines), "digest": str() | None as digest}}:
            return lines, digest
    return None


def _check_signatory(past: Past) -> None:
    """Nobody accepts with a key that the journal has seen replaced."""
    if any(one.store == SIGNATORY_PIN for one in past.older):
        raise Invalid(
            "state.signatory_older",
            f"The journal has seen the signatory key {past.signatory} pinned, and {SIGNATORY_PIN} has another. Remove "
            "the file, and certify again with the right key: silo-connector key certify.",
        )


def _lost(past: Past) -> tuple[str, ...]:
    return tuple(str(one)[:1000] for one in past.older[:LOST_MAX])


def _end(config: Config) -> tuple[int, str | None]:
    count, last = 0, None
    for line in raw_lines(config.trainer_state):
        count, last = count + 1, line
    return count, None if last is None else digest_bytes(last)


def _is_next(config: Config, statement: StateAcceptance) -> bool:
    """Whether the journal has the line that was signed for, and no acceptance after it."""
    digest, is_next = None, True
    for number, line in enumerate(raw_lines(config.trainer_state), 1):
        if number == statement.journal_lines:
            digest = digest_bytes(line)
        elif number > statement.journal_lines and ACCEPTED.encode() in line:
            is_next = False
    return is_next and digest == statement.journal_digest


def _numbers(past: Past, memory: Memory) -> dict[str, int]:
    """By silo, the highest number that may have been used: what the journal knows, and what the memory still does."""
    silos = {*past.highest, *past.floors, *memory.silos()}
    return {one: max(past.highest.get(one, 0), past.floors.get(one, 0), memory.highest_number(one)) for one in silos}


def _suspend_again(config: Config, pinned: Signatory, past: Past) -> None:
    store = Store(config.trainer_state, pinned.key)
    for agreement_id in store.ids():
        if not past.suspended.get(str(agreement_id)):
            continue
        kept = store.find(agreement_id)
        if kept is not None and kept.suspension is None:
            store.suspend(agreement_id, "as the journal says; what was kept of it was lost")
