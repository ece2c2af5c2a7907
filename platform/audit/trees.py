"""The Merkle trees over the chains, as they are kept: proofs are read from complete nodes, in two statements each."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from audit.models import Checkpoint
from federation.protocol import merkle
from federation.protocol.chains import Break
from federation.protocol.merkle import Frontier, Node, Span
from federation.protocol.tree_heads import TreeHead
from realtime import database

_NODES = """
    SELECT node.level, node.index, node.hash
    FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) AS wanted (level, index)
    JOIN audit_treenode AS node
      ON node.chain = %(chain)s AND node.level = wanted.level AND node.index = wanted.index
"""
_LEAVES = "SELECT position, digest FROM audit_link WHERE chain = %(chain)s AND position = ANY(%(positions)s)"


def proof_between(chain: str, before: TreeHead, size: int) -> list[str] | None:
    """The hashes (hex) that prove that a chain of so many links goes on from a head, for ``why_not_after``.

    None where this chain has no such head: it is shorter, or was when it was restored.
    """
    if not 0 < before.position <= size:
        return None
    if before.root is None:
        spans = merkle.inclusion_spans(before.position - 1, size)
    else:
        spans = merkle.consistency_spans(before.position, size)
    return _proofs(chain, {0: spans})[0]


def inclusion_proofs(chain: str, positions: Collection[int], size: int) -> dict[int, list[str]]:
    """By position (from 1), the hashes (hex) that prove that its link is among the first `size` of the chain."""
    return _proofs(chain, {position: merkle.inclusion_spans(position - 1, size) for position in positions})


def _proofs(chain: str, spans: Mapping[int, list[Span]]) -> dict[int, list[str]]:
    wanted = {node for some in spans.values() for span in some for node in merkle.complete(span)}
    known = _hashes(chain, wanted)
    return {key: [one.hex() for one in merkle.proof_of(some, known.__getitem__)] for key, some in spans.items()}


def _hashes(chain: str, nodes: Collection[Node]) -> dict[Node, bytes]:
    leaves = [index + 1 for level, index in nodes if level == 0]
    found: dict[Node, bytes] = {}
    if leaves:
        rows = database.fetch(_LEAVES, {"chain": chain, "positions": leaves})
        found |= {(0, position - 1): merkle.leaf_hash(bytes(digest)) for position, digest in rows}
    higher = [node for node in nodes if node[0] > 0]
    if higher:
        levels, indexes = zip(*higher, strict=True)
        given = {"chain": chain, "levels": list(levels), "indexes": list(indexes)}
        found |= {(level, index): bytes(digest) for level, index, digest in database.fetch(_NODES, given)}
    return found


class TreeWalk:
    """A chain's tree, worked out again link by link, and compared with the nodes and the signed heads that are kept."""

    BLOCK = 2000

    def __init__(self, chain: str) -> None:
        """To be made before the chain's head is read: what was signed by then is not ahead of it."""
        self._chain = chain
        self._edge = Frontier()
        self._made: dict[Node, bytes] = {}
        self._broken: Break | None = None
        signed = Checkpoint.objects.filter(chain=chain).exclude(root=None).values_list("position", "root")
        self._signed = {position: bytes(root) for position, root in signed if root is not None}

    def add(self, digest: bytes) -> None:
        """Go on over the next link."""
        self._made.update(self._edge.append(digest))
        signed = self._signed.pop(self._edge.size, None)
        if self._broken is None and signed is not None and signed != self._edge.root:
            message = f"The head that was signed at event {self._edge.size} is not of this history."
            self._broken = Break(self._edge.size, "chain.head_mismatch", message)
        if len(self._made) >= self.BLOCK:
            self._compare()

    def end(self, peaks: bytes) -> Break | None:
        """Where the tree is not the one over these links, after the last of them."""
        self._compare()
        if self._broken is None and self._edge.packed != peaks:
            self._broken = Break(self._edge.size, "chain.tree", "The tree's right edge is not that of these events.")
        if self._broken is None and self._signed:
            last = max(self._signed)
            message = f"A head of {last} events was signed; there are only {self._edge.size}."
            self._broken = Break(self._edge.size, "chain.head_mismatch", message)
        return self._broken

    def _compare(self) -> None:
        if self._broken is None and self._made:
            kept = _hashes(self._chain, self._made)
            wrong = next((node for node, digest in self._made.items() if kept.get(node) != digest), None)
            if wrong is not None:
                position = (wrong[1] + 1) << wrong[0]
                self._broken = Break(position, "chain.tree", f"The tree over the events to {position} is another one.")
        self._made.clear()
