"""A protection mode that protects nothing: silos greet before they work, and updates leave as whole numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from federation.protection.base import Mode
from federation.protocol.documents.protection import Protection


class Greeted(Protection):
    """In which language."""

    mode: Literal["greeted"] = "greeted"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]


MODE = Mode(
    name="greeted",
    rank=40,
    title="Greeted: silos greet before they work",
    explained_as="greeted: silos greet before they work",
    agreed_as="silos greet before they work",
    described_as="Silos greeted before they worked.",
    document=Greeted,
    platform_reads_updates=False,
    update_kind="masked.u32",
    payload_kinds=frozenset({"masked.u32", "words.ascii"}),
    steps_before=("greet",),
    steps_after=("sign_off",),
)
