"""A Merkle tree over a growing list: proofs that a leaf is in it, and that a longer list only adds to a shorter one.

Source: RFC 9162 (Certificate Transparency Version 2.0), section 2.1, with SHA-256. A tree of `size` leaves is known
whole by its *complete* subtrees: node (level, index) is the hash over the leaves from index << level on, 2**level of
them. A complete node never changes again, so that it is kept once and proofs of any size are read from these nodes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence

HASH_BYTES = 32
PROOF_MAX = 128
"""More hashes than any proof has: of two trees of 2**63 leaves it has 64."""

Node = tuple[int, int]
"""A complete subtree: its level, and its index among those of its level."""
Span = tuple[int, int]
"""Leaves from the first to before the second, a subtree of the RFC's: complete, or at the tree's right edge."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The 32 bytes of a leaf (§2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32 bytes of the node over two others (§2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree that grows: its complete subtrees, the largest first, at most one of each size."""

    def __init__(self, size: int = 0, peaks: bytes = b"") -> None:
        """A tree of so many leaves; `peaks` as `packed` wrote them. Raises ValueError where the two don't fit."""
        if size < 0 or len(peaks) != HASH_BYTES * size.bit_count():
            raise ValueError(f"A tree of {size} leaves has another right edge.")
        self.size = size
        self._peaks = [peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES)]

    def append(self, leaf: bytes) -> Iterator[tuple[Node, bytes]]:
        """Add a leaf, given by its bytes; every node above it that is complete now, the lowest first.

        The leaf is added once the iterator is used up.
        """
        level, index, digest = 0, self.size, leaf_hash(leaf)
        while index & 1:
            digest = node_hash(self._peaks.pop(), digest)
            level, index = level + 1, index >> 1
            yield (level, index), digest
        self._peaks.append(digest)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The 32 bytes of the whole tree's root (§2.1.1)."""
        return fold(self._peaks)

    @property
    def packed(self) -> bytes:
        """The right edge as bytes."""
        return b"".join(self._peaks)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over subtrees that lie side by side, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    digest = hashes[-1]
    for left in reversed(hashes[:-1]):
        digest = node_hash(left, digest)
    return digest


def complete(span: Span) -> Iterator[Node]:
    """The complete subtrees that make up a span, from left to right."""
    first, end = span
    while first < end:
        level = (end - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What a proof that the leaf at this index (from 0) is in a tree of this size is made of (§2.1.3.1).

    Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has none at {index}.")
    spans: list[Span] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((first, middle))
            first = middle
    return spans[::-1]


def consistency_spans(before: int, size: int) -> list[Span]:
    """What a proof that a tree of this size only adds to one of the size `before` is made of (§2.1.4.1).

    Raises ValueError unless 0 < before <= size.
    """
    if not 0 < before <= size:
        raise ValueError(f"A tree of {size} leaves does not follow from one of {before}.")
    spans: list[Span] = []
    first, end, is_whole = 0, size, True
    while before != end:
        middle = first + _split(end - first)
        if before <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((first, middle))
            first, is_whole = middle, False
    if not is_whole:
        spans.append((first, end))
    return spans[::-1]


def proof_of(spans: Iterable[Span], hash_of: Callable[[Node], bytes]) -> list[bytes]:
    """The hashes of these spans, as a proof has them; `hash_of` knows every complete node."""
    return [fold([hash_of(node) for node in complete(span)]) for span in spans]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf with these bytes is at this index of the tree with this size and root (§2.1.3.2)."""
    if not 0 <= index < size or not _well_formed(proof, root):
        return False
    rest, last, digest = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if rest & 1 or rest == last:
            digest = node_hash(sibling, digest)
            while not rest & 1 and rest:
                rest, last = rest >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        rest, last = rest >> 1, last >> 1
    return last == 0 and hmac.compare_digest(digest, root)


def is_consistent(before: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a tree only adds to the one of the size `before` with the root `old_root` (§2.1.4.2)."""
    if not 0 < before <= size or not _well_formed(proof, root, old_root):
        return False
    if before == size:
        return not proof and hmac.compare_digest(old_root, root)
    path = [old_root, *proof] if before & (before - 1) == 0 else list(proof)
    if not path:
        return False
    rest, last = before - 1, size - 1
    while rest & 1:
        rest, last = rest >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if rest & 1 or rest == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not rest & 1 and rest:
                rest, last = rest >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        rest, last = rest >> 1, last >> 1
    return last == 0 and hmac.compare_digest(old, old_root) and hmac.compare_digest(new, root)


def _split(size: int) -> int:
    """The largest power of two below a size of 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def _well_formed(proof: Sequence[bytes], *roots: bytes) -> bool:
    return len(proof) <= PROOF_MAX and all(len(one) == HASH_BYTES for one in (*proof, *roots))
