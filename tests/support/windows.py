"""The windows in which pages are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from demo.services import ROOT

SCREENSHOTS = ROOT / "var" / "screenshots"
DRAWN = """
    () => [...document.querySelectorAll(".plot.skeleton")].every(plot => plot.closest("[hidden]"))
"""
"""Whether all charts in sight have been drawn."""


@dataclass(frozen=True)
class View:
    """A window: its size, and whether its owner likes it light or dark."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


VIEWS = (View("light-wide", "light", 1280, 900), View("dark-narrow", "dark", 360, 800))
