"""Whether what the trainer keeps is older than its journal says: a backup that was put back, or part of it lost.

Every store is written before the line about it, and what loosens (the end of a suspension, another signatory) after
it. So a crash between the two leaves a store ahead of its journal, or stricter, and never behind: what is behind was
put back. The journal itself is held against the head that the trainer's memory has of it, and against what is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

from federation.errors import FederationError, Invalid
from federation.plans.reviews import same_reviewer
from federation.protocol.documents import Agreement
from silo_connector.agreements import Store
from silo_connector.config import Config
from silo_connector.journal import FILE as JOURNAL
from silo_connector.journal import Head, all_entries, entries, verify
from silo_connector.own_keys import SIGNATORY_PIN, Signatory, pinned_signatory
from silo_connector.plans import PlanStore
from silo_connector.platform_keys import CHAIN_FILE, known_chain
from silo_connector.trainer.clock import is_far_before
from silo_connector.trainer.store import audit_checkpoints
from silo_connector.trainer.store.kept import KEEPING_VERSION, stored_documents
from silo_connector.trainer.store.order_store import FILE as MEMORY
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.past import CLOCK, Older, Past, read_past
from silo_connector.trainer.store.state_acceptance import ACCEPTED, is_accepted, put_aside, signatories

SIGNED_VERSION = "agreement.signed"


def compare(config: Config, memory: Memory) -> Past:
    """Hold the stores against the journal. Raises Invalid ``journal.unreadable``."""
    pinned = _pinned(config)
    past = read_past(config, memory, pinned)
    noted = memory.journal_head()
    try:
        verify(config.trainer_state, Head() if (noted.lines, noted.digest) in past.journal_accepted else noted)
    except FederationError as error:
        past.is_journal_broken = True
        past.older.insert(0, Older(JOURNAL, error.message.partition(". Somebody")[0]))
    for look in (_agreements, _heads, _platform_key, _signatory, _plans):
        past.older += look(past, config, pinned)
    past.older += _journal(config, pinned)
    if past.latest is not None and is_far_before(past.latest):
        past.older.append(Older(CLOCK, f"the journal has seen {past.latest.isoformat(timespec='seconds')}"))
    return past


def compared(config: Config) -> Past:
    """The same, for anyone who has no memory open. Raises as `compare`."""
    with opened_memory(config) as memory:
        return compare(config, memory)


@contextlib.contextmanager
def opened_memory(config: Config) -> Iterator[Memory]:
    """The trainer's memory, beside a trainer that may be running."""
    is_there = (config.trainer_state / MEMORY).exists()
    memory = Memory(config.trainer_state if is_there else None)  # what is lost, only the trainer makes again
    try:
        yield memory
    finally:
        memory.close()


def noted_head(config: Config) -> Head:
    """How far the journal went at the last answer; nowhere where that journal was put aside with an acceptance."""
    if not (config.trainer_state / MEMORY).exists():
        return Head()
    with opened_memory(config) as memory:
        noted = memory.journal_head()
    keys = signatories(config, _pinned(config))
    for entry in entries(config.trainer_state, ACCEPTED):
        if is_accepted(entry, config, keys) and put_aside(entry) == (noted.lines, noted.digest):
            return Head()
    return noted


def check_newest(config: Config, agreement: Agreement, digest: str) -> None:
    """Raise Invalid for a version that is older than one which was signed here, also where that was lost.

    Codes ``agreement.older``, and ``agreement.conflict`` for another text of the same number.
    """
    for entry in entries(config.trainer_state, SIGNED_VERSION):
        match entry:
            case {"agreement_id": str(found), "version": int(version), "agreement": str(signed)} if found == str(
                agreement.agreement_id
            ):
                if version > agreement.version:
                    raise Invalid("agreement.older", f"The journal says that version {version} was signed here.")
                if version == agreement.version and signed != digest:
                    raise Invalid("agreement.conflict", f"The journal has another text as version {version}: {signed}.")


def _journal(config: Config, pinned: Signatory | None) -> list[Older]:
    """What is kept has its line before it is kept: where there is none, the journal was put back, and all with it."""
    unknown = stored_documents(config, pinned)
    for entry in all_entries(config.trainer_state):
        match entry:
            case {"event": event, "digest": str(digest)} if event in {
                audit_checkpoints.KEEPING,
                audit_checkpoints.SIGNED,
            }:
                unknown.pop(digest, None)
            case {"event": event, "shown": {"digest": str(digest)}} if event == audit_checkpoints.LOG_ACCEPTED:
                unknown.pop(digest, None)
            case {"event": event, "agreement": str(digest)} if event in {KEEPING_VERSION, SIGNED_VERSION}:
                unknown.pop(digest, None)
            case {"event": event, "kept": list(digests)} if event == ACCEPTED:
                unknown = {digest: what for digest, what in unknown.items() if digest not in digests}
    return [Older(JOURNAL, f"{what}, and no line says so") for what in unknown.values()]


def _agreements(past: Past, config: Config, pinned: Signatory | None) -> list[Older]:
    if pinned is None:
        return []
    store, found = Store(config.trainer_state, pinned.key), []
    for name in sorted({*past.versions, *past.suspended}):
        where = f"agreements/{name}.json"
        try:
            kept = store.find(UUID(name))
        except (FederationError, ValueError, OSError):
            continue  # orders under it are refused as it is, and the doctor says why
        version, digest = past.versions.get(name, (0, ""))
        have = (0, "") if kept is None else (kept.signed.agreement.version, kept.digest)
        if have[0] < version or (have[0] == version and have[1] != digest):
            found.append(Older(where, f"version {version}, {digest}, was signed here"))
        if past.suspended.get(name) and kept is not None and kept.suspension is None:
            found.append(Older(where, "it was suspended"))
    return found


def _heads(past: Past, config: Config, _pinned: Signatory | None) -> list[Older]:
    try:
        kept = audit_checkpoints.stored_heads(config.trainer_state)
    except Invalid:
        return []  # what can't be read is no reason to begin again: countersigning is refused
    found = []
    for chain, head in sorted(past.heads.items()):
        ours = kept.get(chain)
        if ours is None or ours.position < head.position or (ours.position == head.position and ours != head):
            found.append(Older(audit_checkpoints.FILE, f"{chain} was countersigned at {head.position}, {head.digest}"))
    return found


def _platform_key(past: Past, config: Config, _pinned: Signatory | None) -> list[Older]:
    """The key that was adopted last must be known, unless a person has pinned it, or one of another chain."""
    if not past.platform_keys:
        return []
    try:
        chain = known_chain(config.trainer_state)
    except FederationError:
        return []  # no order is taken
    last, pinned = past.platform_keys[-1], f"ed25519:{''.join(config.platform_key.split())}"
    if pinned == last or pinned not in past.platform_keys or (chain is not None and last in chain.key_ids):
        return []
    return [Older(CHAIN_FILE, f"the platform's key {last} was adopted")]


def _signatory(past: Past, _config: Config, pinned: Signatory | None) -> list[Older]:
    if past.signatory is None or pinned is None or pinned.key.key_id == past.signatory:
        return []
    return [Older(SIGNATORY_PIN, f"the signatory key {past.signatory} was pinned")]


def _plans(past: Past, config: Config, pinned: Signatory | None) -> list[Older]:
    if pinned is None:
        return []
    store, found = PlanStore(config.trainer_state, pinned.key), []
    for (digest, person), verdict in sorted(past.reviews.items()):
        try:
            kept = store.find(digest)
        except (FederationError, OSError):
            continue  # orders that name it are refused
        reviews = () if kept is None else kept.reviews
        if not any(same_reviewer(one.reviewer) == person and one.verdict == verdict for one in reviews):
            found.append(Older("plans", f"{person} {verdict} {digest}"))
    return found


def _pinned(config: Config) -> Signatory | None:
    try:
        return pinned_signatory(config)
    except FederationError:
        return None
