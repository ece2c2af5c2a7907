"""Homomorphic encryption: the platform adds up what it can't read. Source: Cheon et al., ASIACRYPT 2017 (CKKS)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from federation.protection.base import Mode
from federation.protocol.documents.protection import Protection

BITS_MAX = {4096: 109, 8192: 218, 16384: 438}
"""By degree: how many bits all primes have together at most, for 128 bits (HomomorphicEncryption.org 2018)."""


class Encrypted(Protection):
    """The parameters of encryption.

    Attributes:
        scheme: CKKS: approximate numbers, added up.
        degree: Of the ring's polynomial; half as many numbers go into a ciphertext.
        primes: The bits of each prime of the modulus, 20 to 60 each. The last is for keys, and not in a ciphertext.
        scale: By 2 to the power of this numbers are multiplied before they are rounded: 20 to 59.
    """

    mode: Literal["encrypted"] = "encrypted"
    scheme: Literal["ckks"] = "ckks"
    degree: Literal[4096, 8192, 16384]
    primes: Annotated[tuple[Annotated[int, Field(ge=20, le=60)], ...], Field(min_length=2, max_length=10)]
    scale: Annotated[int, Field(ge=20, le=59)]

    @property
    def slots(self) -> int:
        """How many numbers a ciphertext holds."""
        return self.degree // 2

    @property
    def ciphertext_bytes_max(self) -> int:
        """The largest a serialised ciphertext may be: two polynomials of 8-byte words a prime, and its head."""
        return 2 * self.degree * 8 * (len(self.primes) - 1) + 4096

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(self.primes) > BITS_MAX[self.degree]:
            raise ValueError(f"the primes of degree {self.degree} have {BITS_MAX[self.degree]} bits at most")
        if self.scale >= self.primes[0]:
            raise ValueError("the scale has to be below the first prime")
        return self


MODE = Mode(
    name="encrypted",
    rank=20,
    title="Encrypted: updates are added up without being read",
    explained_as="encrypted: added up without being read (not built yet)",
    agreed_as="updates are added up without being read",
    described_as="Updates were encrypted: the platform added them up without reading them.",
    document=Encrypted,
    platform_reads_updates=False,
    update_kind="ciphertext.ckks",
    payload_kinds=frozenset({"ciphertext.ckks"}),
)
