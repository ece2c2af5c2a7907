"""Who did something: a person, a silo, or a part of the platform by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable


@runtime_checkable
class Actor(Protocol):
    """What an event says about who acted. Users, silos and `System` are actors."""

    @property
    def actor_kind(self) -> str:
        """`user`, `silo` or `system`."""

    @property
    def actor_id(self) -> str:
        """The id by which it can be found again."""

    @property
    def actor_name(self) -> str:
        """What it was called when it acted."""


@dataclass(frozen=True)
class System:
    """A part of the platform that acts by itself, such as `System("sweep")`."""

    name: str
    actor_kind: ClassVar[str] = "system"

    @property
    def actor_id(self) -> str:
        """Its name: there is one of it."""
        return self.name

    @property
    def actor_name(self) -> str:
        """Its name."""
        return self.name
