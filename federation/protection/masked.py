"""Secure aggregation: each silo adds masks that cancel in the sum. Source: Bonawitz et al., CCS 2017."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from federation.protection.base import Mode
from federation.protocol.documents.protection import Protection


class Masked(Protection):
    """The parameters of masks.

    Attributes:
        threshold: How many silos open a sum (t), 2 to 10,000. Privacy holds against a server with c colluding silos
            while ``2 t > n + c``.
        min_survivors: How many silos a sum that is opened has at least; not below 3, not above ``n``.
        ring: The integers are added up modulo this: unsigned words of 32 bits, little endian.
        clip: Each coordinate of an update is clipped to [-clip, clip] before it is rounded; above 0.
        weighting: ``public``: rows are reported, and the platform divides; ``hidden``: rows are a lane of the sum;
            ``equal``: every silo counts the same.
    """

    mode: Literal["masked"] = "masked"
    threshold: Annotated[int, Field(ge=2, le=10_000)]
    min_survivors: Annotated[int, Field(ge=3, le=10_000)]
    ring: Literal["uint32"] = "uint32"
    clip: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    weighting: Literal["public", "hidden", "equal"] = "public"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_survivors < self.threshold:
            raise ValueError("min_survivors is at least the threshold: a sum is opened by its survivors")
        return self


MODE = Mode(
    name="masked",
    rank=10,
    title="Masked: each silo's update is hidden in the sum",
    explained_as="masked: hidden in the sum over several silos (not built yet)",
    agreed_as="each silo's update is hidden in the sum",
    described_as="Updates were masked: the platform could read their sum alone.",
    document=Masked,
    platform_reads_updates=False,
    update_kind="masked.u32",
    payload_kinds=frozenset({"masked.u32"}),
)
