"""The windows in which pages are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class View:
    """A window: its size, and whether its owner likes it light or dark."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


VIEWS = (View("light-wide", "light", 1280, 900), View("dark-narrow", "dark", 360, 800))
