"""No protection: updates leave as they are, where the agreement says so and why."""

from __future__ import annotations

from typing import Literal

from federation.protection.base import Mode
from federation.protocol.documents.protection import Protection


class Clear(Protection):
    """Nothing to be stated beyond the mode: nobody trains in clear by default."""

    mode: Literal["clear"] = "clear"


MODE = Mode(
    name="clear",
    rank=30,
    title="Clear: the platform sees every silo's own update",
    explained_as="clear: the platform's operator can read each one",
    agreed_as="whoever runs the platform can read each silo's update",
    described_as="Updates were aggregated in clear: the platform could read each silo's update.",
    document=Clear,
    platform_reads_updates=True,
    update_kind="update.f32",
    payload_kinds=frozenset({"update.f32", "update.i8", "statistics.v1"}),
)
