"""From a key that is trusted to the one with which the platform signs now: each key vouches for the next.

Nobody is believed but the last key of the chain so far. What is sent along may hold links from before the root, links
that are known already, and nonsense; a chain grows by links that all verify, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol import envelope
from federation.protocol.documents import PlatformKeySuccession, read, verify_document
from federation.protocol.keys import PublicKey

SUCCESSIONS_MAX = 50
"""So many links are sent along at most, the newest: anyone who has missed more enrols again."""
SUCCESSION_BYTES_MAX = 4 << 10
CLOCKS_APART = timedelta(minutes=2)
"""By how much the clocks of the platform and of the one who reads may differ."""


@dataclass(frozen=True)
class Link:
    """One verified succession: the envelope as it came, what it says, and the key that it brings."""

    sealed: bytes
    said: PlatformKeySuccession
    key: PublicKey


@dataclass(frozen=True)
class KeyChain:
    """A trusted key and the verified successions that lead on from it."""

    root: PublicKey
    links: tuple[Link, ...] = ()

    @property
    def current(self) -> PublicKey:
        """The key that signs now."""
        return self.links[-1].key if self.links else self.root

    @cached_property
    def keys(self) -> tuple[PublicKey, ...]:
        """All of them, the root first."""
        return (self.root, *(link.key for link in self.links))

    @cached_property
    def key_ids(self) -> frozenset[str]:
        """Their names."""
        return frozenset(key.key_id for key in self.keys)

    def retired_at(self, key_id: str) -> datetime | None:
        """When a key's successor was named; None for the current key."""
        return next((link.said.made_at for link in self.links if link.said.predecessor == key_id), None)

    def verify_and_extend(self, delivered: Sequence[bytes], *, now: datetime | None) -> KeyChain:
        """This chain and what of the given envelopes leads on from it: the same chain if nothing does.

        `now` is the moment at which they are met; None for links that were taken before and are only read again.
        Raises Untrusted ``succession.future`` for a new link that is dated later: until its date the key before
        would still be believed. Raises Invalid ``succession.malformed``; Untrusted ``succession.untrusted`` (a link
        that the key which it succeeds has not signed), ``succession.forked`` (two successors of one key,
        or another than is known) and ``succession.goes_back`` (a number or a date that does not follow, or a key that
        has been there before).
        """
        if len(delivered) > SUCCESSIONS_MAX:
            raise Invalid("succession.malformed", f"More than {SUCCESSIONS_MAX} successions came at once.")
        offered: dict[str, list[bytes]] = {}
        for sealed in delivered:
            offered.setdefault(_claimed_predecessor(sealed), []).append(sealed)
        for key, link in zip(self.keys, self.links, strict=False):
            for sealed in offered.get(key.key_id, []):
                if _verified(sealed, key).said != link.said:
                    raise _forked(key)
        chain = self
        while successors := offered.pop(chain.current.key_id, []):
            chain = chain._followed_by([_verified(sealed, chain.current) for sealed in successors])
            if now is not None and chain.links[-1].said.made_at > now + CLOCKS_APART:
                predecessor = chain.links[-1].said.predecessor
                message = f"The succession of {predecessor} is dated in the future. Is this clock right?"
                raise Untrusted("succession.future", message)
        return chain

    def _followed_by(self, links: Sequence[Link]) -> KeyChain:
        first, *others = links
        if any(other.said != first.said for other in others):
            raise _forked(self.current)
        if first.key.key_id in self.key_ids:
            raise Untrusted("succession.goes_back", f"{first.key.key_id} was the platform's key before.")
        if self.links:
            last = self.links[-1].said
            if first.said.sequence != last.sequence + 1 or first.said.made_at <= last.made_at:
                raise Untrusted(
                    "succession.goes_back",
                    f"Succession {first.said.sequence} of {first.said.made_at} does not follow "
                    f"{last.sequence} of {last.made_at}.",
                )
        return KeyChain(self.root, (*self.links, first))


def _claimed_predecessor(sealed: bytes) -> str:
    """Whom a succession says it succeeds, before anything is verified. Raises Invalid ``succession.malformed``."""
    if len(sealed) > SUCCESSION_BYTES_MAX:
        raise Invalid("succession.malformed", f"A succession may have {SUCCESSION_BYTES_MAX} bytes.")
    try:
        if envelope.payload_type_of(sealed) != PlatformKeySuccession.payload_type:
            raise Invalid("succession.malformed", "This is an envelope of another kind than a succession.")
        return read(PlatformKeySuccession, envelope.payload_unverified(sealed)).predecessor
    except FederationError as error:
        raise Invalid("succession.malformed", f"A succession can't be read: {error.message}", error.field) from error


def _verified(sealed: bytes, predecessor: PublicKey) -> Link:
    if len(envelope.signers(sealed)) != 1:
        raise Invalid("succession.malformed", "A succession has exactly one signature.")
    try:
        document = verify_document(PlatformKeySuccession, sealed, [predecessor])
    except Untrusted as error:
        raise Untrusted(
            "succession.untrusted", f"The succession of {predecessor.key_id} is not signed by it."
        ) from error
    try:
        return Link(sealed, document, PublicKey.from_encoded(document.public_key))
    except Invalid as error:
        raise Invalid("succession.malformed", f"The succession names no key: {error.message}", "public_key") from error


def _forked(key: PublicKey) -> Untrusted:
    return Untrusted(
        "succession.forked",
        f"Two successors of the platform's key {key.key_id} are shown, and only one can be right: the key may be "
        "stolen. Ask the platform's operator by telephone.",
    )
