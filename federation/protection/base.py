"""What a protection mode is to everybody: its name, its part of a manifest, and what may be read of an update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.protocol.documents.protection import Protection


@dataclass(frozen=True)
class Mode:
    """A way of protecting updates.

    Attributes:
        name: As documents, agreements and requests say it.
        rank: Its place among the others where they are listed; the most protective first.
        title: As a person reads it in a choice.
        explained_as: The same where an agreement is written.
        agreed_as: A line of an agreement's text, after the name.
        described_as: A sentence about a job whose updates were protected like this.
        document: Its part of a manifest.
        platform_reads_updates: Whether the platform can read the update of one silo. Then it weighs them; else each
            silo weighs its own.
        update_kind: The kind of payload as which the update of a training leaves.
        payload_kinds: All kinds of payload that answers may have (``federation.protocol.payloads``).
        steps_before: Kinds of order that silos answer in each round before the work itself, in their order.
        steps_after: Those that they answer after it.
    """

    name: str
    rank: int
    title: str
    explained_as: str
    agreed_as: str
    described_as: str
    document: type[Protection]
    platform_reads_updates: bool
    update_kind: str
    payload_kinds: frozenset[str]
    steps_before: tuple[str, ...] = ()
    steps_after: tuple[str, ...] = ()

    def kinds_of_round(self, work: str) -> tuple[str, ...]:
        """The kinds of the steps of a round in which silos do this work, in their order.

        The engine's protocol of the mode opens just these; anyone who verifies evidence expects them.
        """
        return (*self.steps_before, work, *self.steps_after)
