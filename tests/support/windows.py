"""The windows in which pages are looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

from demo.services import ROOT

SCREENSHOTS = ROOT / "var" / "screenshots"
ASKED_BY = "CONSILIENCE_TESTS_PICTURES"
"""Where this variable is set, pictures are taken. `make pictures` sets it: for people to look at, no test reads one."""
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


def take_picture(page: Page, path: Path, **options: Any) -> None:
    """Keep a picture of the whole page, if pictures were asked for: one takes the browser longer than the page did."""
    if os.environ.get(ASKED_BY):
        page.screenshot(path=path, full_page=True, **options)
