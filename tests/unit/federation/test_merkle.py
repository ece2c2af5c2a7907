"""The Merkle tree: published vectors, an independent slow reference for all sizes, and every change refused."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.protocol.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    leaf_hash,
    proof_of,
)
from tests.support.every import every
from tests.support.examples import examples

# Certificate Transparency's reference implementation, test vectors of the Merkle tree: transparency-dev/merkle,
# testonly/constants.go (LeafInputs, NodeHashes, RootHashes), as google/certificate-transparency had them before.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION: dict[tuple[int, int], tuple[str, ...]] = {  # (index, size): hashes
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
CONSISTENCY: dict[tuple[int, int], tuple[str, ...]] = {  # (before, size): hashes
    (1, 1): (),
    (1, 8): INCLUSION[0, 8],
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
SIZE_MAX = 130
MANY = [b"leaf %d" % number for number in range(SIZE_MAX)]


class Grown:
    """A tree with all its complete nodes kept, as the platform keeps them."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[Node, bytes] = {(0, index): leaf_hash(leaf) for index, leaf in enumerate(leaves)}
        self.roots = [EMPTY_ROOT]
        frontier = Frontier()
        for leaf in leaves:
            self.nodes.update(frontier.append(leaf))
            frontier = Frontier(frontier.size, frontier.packed)
            self.roots.append(frontier.root)

    def included(self, index: int, size: int) -> list[bytes]:
        return proof_of(inclusion_spans(index, size), self.nodes.__getitem__)

    def consistent(self, before: int, size: int) -> list[bytes]:
        return proof_of(consistency_spans(before, size), self.nodes.__getitem__)


# The reference: the RFC's definitions word for word, recursive and slow, sharing nothing with what is tested.


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


@cache
def mth(first: int, end: int) -> bytes:
    if first == end:
        return hashlib.sha256(b"").digest()
    if end - first == 1:
        return hashlib.sha256(b"\x00" + MANY[first]).digest()
    middle = first + split(end - first)
    return hashlib.sha256(b"\x01" + mth(first, middle) + mth(middle, end)).digest()


def path(index: int, first: int, end: int) -> list[bytes]:
    if end - first == 1:
        return []
    middle = first + split(end - first)
    if first + index < middle:
        return [*path(index, first, middle), mth(middle, end)]
    return [*path(index - (middle - first), middle, end), mth(first, middle)]


def subproof(before: int, first: int, end: int, is_whole: bool) -> list[bytes]:
    size = end - first
    if before == size:
        return [] if is_whole else [mth(first, end)]
    k = split(size)
    if before <= k:
        return [*subproof(before, first, first + k, is_whole), mth(first + k, end)]
    return [*subproof(before - k, first + k, end, False), mth(first, first + k)]


CT, TREE = Grown(LEAVES), Grown(MANY)


def test_roots_and_proofs_are_those_of_certificate_transparency() -> None:
    assert [root.hex() for root in CT.roots] == ROOTS
    for (index, size), proof in INCLUSION.items():
        assert tuple(one.hex() for one in CT.included(index, size)) == proof
        assert is_included(LEAVES[index], index, size, [bytes.fromhex(one) for one in proof], CT.roots[size])
    for (before, size), proof in CONSISTENCY.items():
        assert tuple(one.hex() for one in CT.consistent(before, size)) == proof
        old, new = CT.roots[before], CT.roots[size]
        assert is_consistent(before, size, old, new, [bytes.fromhex(one) for one in proof])


def test_every_proof_of_every_size_is_the_reference_s_and_holds() -> None:
    for size in every(range(1, SIZE_MAX + 1)):
        assert TREE.roots[size] == mth(0, size)
        for index in every(range(size)):
            proof = TREE.included(index, size)
            assert proof == path(index, 0, size)
            assert is_included(MANY[index], index, size, proof, TREE.roots[size])
        for before in every(range(1, size + 1)):
            proof = TREE.consistent(before, size)
            assert proof == subproof(before, 0, size, True)
            assert is_consistent(before, size, TREE.roots[before], TREE.roots[size], proof)


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_an_inclusion_proof_holds_for_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE_MAX))
    index = data.draw(st.integers(0, size - 1))
    proof, root = TREE.included(index, size), TREE.roots[size]
    other = data.draw(st.integers(-1, SIZE_MAX).filter(lambda one: one != index))
    assert not is_included(MANY[index], other, size, proof, root)
    assert not is_included(b"another leaf", index, size, proof, root)
    for changed in every(changes(data, proof)):
        assert not is_included(MANY[index], index, size, changed, root)
    assert not is_included(MANY[index], index, size, proof, flipped(data, root))


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_a_consistency_proof_holds_for_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_MAX))
    before = data.draw(st.integers(1, size - 1))
    proof, old, new = TREE.consistent(before, size), TREE.roots[before], TREE.roots[size]
    assert is_consistent(before, size, old, new, proof)
    for changed in every(changes(data, proof)):
        assert not is_consistent(before, size, old, new, changed)
    assert not is_consistent(before, size, flipped(data, old), new, proof)
    assert not is_consistent(before, size, old, flipped(data, new), proof)
    other = data.draw(st.integers(-1, SIZE_MAX).filter(lambda one: one != before))
    if other <= 0 or other > size or TREE.roots[other] != old:
        assert not is_consistent(other, size, old, new, proof)


@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_a_list_that_was_changed_before_it_grew_is_never_consistent(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    before = data.draw(st.integers(1, size - 1))
    victim = data.draw(st.integers(0, before - 1))
    forged = Grown([b"forged" if number == victim else leaf for number, leaf in enumerate(MANY[:size])])
    for proof in (forged.consistent(before, size), TREE.consistent(before, size)):
        assert not is_consistent(before, size, TREE.roots[before], forged.roots[size], proof)


@pytest.mark.parametrize("before", [0, -1, 9])
def test_sizes_that_do_not_fit_are_errors_or_refused(before: int) -> None:
    with pytest.raises(ValueError, match="leaves"):
        consistency_spans(before, 8)
    assert not is_consistent(before, 8, CT.roots[1], CT.roots[8], [])
    with pytest.raises(ValueError, match="leaves"):
        inclusion_spans(before if before else 8, 8)
    with pytest.raises(ValueError, match="right edge"):
        Frontier(3, b"\x00" * 32)
    assert not is_consistent(4, 8, CT.roots[4], CT.roots[8], [b"short"])
    assert not is_included(b"", 0, 2**200, [bytes(32)] * 1000, bytes(32)), "as long as nobody's"


def changes(data: st.DataObject, proof: list[bytes]) -> list[list[bytes]]:
    """The proof with a bit flipped, one left out, one added, two swapped."""
    changed = [[*proof, bytes(32)]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        changed += [[*proof[:at], flipped(data, proof[at]), *proof[at + 1 :]], [*proof[:at], *proof[at + 1 :]]]
    if len(proof) > 1:
        changed.append([proof[1], proof[0], *proof[2:]])
    return changed


def flipped(data: st.DataObject, digest: bytes) -> bytes:
    """One bit of it another."""
    bit = data.draw(st.integers(0, 8 * len(digest) - 1))
    return (int.from_bytes(digest, "big") ^ 1 << bit).to_bytes(len(digest), "big")
