"""An audit log made from nothing: its chain, its Merkle tree, heads of every length, and the proofs between them."""

from __future__ import annotations

from collections.abc import Iterable

from federation.protocol import merkle
from federation.protocol.chains import canonical, first_digest, next_digest
from federation.protocol.merkle import Frontier, Node
from federation.protocol.tree_heads import TreeHead


class PlayedLog:
    """Records one after the other, as the platform keeps them."""

    def __init__(self, chain: str, records: Iterable[bytes] = ()) -> None:
        self.chain = chain
        self.records: list[bytes] = []
        self.digests = [first_digest(chain)]
        self._heads: list[TreeHead] = []
        self._nodes: dict[Node, bytes] = {}
        self._frontier = Frontier()
        for record in records:
            self.append(record)

    @classmethod
    def of_length(cls, chain: str, length: int, mark: str = "a") -> PlayedLog:
        """So many records; with another mark it is another history."""
        return cls(chain, (canonical({"n": number, "mark": mark}) for number in range(length)))

    def append(self, record: bytes) -> int:
        """Add a record: its position, from 1."""
        digest = next_digest(self.digests[-1], record)
        self._nodes[0, len(self.records)] = merkle.leaf_hash(digest)
        self.records.append(record)
        self.digests.append(digest)
        self._nodes.update(self._frontier.append(digest))
        self._heads.append(TreeHead(len(self.records), digest.hex(), self._frontier.root.hex()))
        return len(self.records)

    def head(self, position: int | None = None) -> TreeHead:
        """The head after so many records, or the last one."""
        return self._heads[-1 if position is None else position - 1]

    def included(self, position: int, size: int) -> list[str]:
        """The proof that the record at this position is in the log as it was with so many."""
        return self._hex(merkle.inclusion_spans(position - 1, size))

    def proof(self, before: TreeHead, size: int) -> list[str]:
        """The proof that the log with so many records goes on from a head."""
        if before.root is None:
            return self.included(before.position, size)
        return self._hex(merkle.consistency_spans(before.position, size))

    def _hex(self, spans: list[merkle.Span]) -> list[str]:
        return [one.hex() for one in merkle.proof_of(spans, self._nodes.__getitem__)]
