"""A protection mode that protects nothing: silos greet before they work, and updates leave in clear."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from federation.protection.base import Mode
from federation.protocol.documents.protection import Protection


class Welcomed(Protection):
    """In which language."""

    mode: Literal["welcomed"] = "welcomed"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]


MODE = Mode(
    name="welcomed",
    rank=40,
    title="Welcomed: silos greet before they work",
    explained_as="welcomed: silos greet before they work",
    agreed_as="silos greet before they work",
    described_as="Silos greeted before they worked.",
    document=Welcomed,
    platform_reads_updates=False,
    update_kind="update.f32",
    payload_kinds=frozenset({"update.f32"}),
    steps_before=("greet",),
)
