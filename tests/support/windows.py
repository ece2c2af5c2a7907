"""The windows in which pages are looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

from demo.services import ROOT
from tests.support.patience import FAILS_AFTER_MS

SCREENSHOTS = ROOT / "var" / "screenshots"
ASKED_BY = "CONSILIENCE_TESTS_PICTURES"
"""Where this variable is set, pictures are taken. `make pictures` sets it: for people to look at, no test reads one."""
DRAWN = """
    () => [...document.querySelectorAll(".plot.skeleton")].every(plot => plot.closest("[hidden]"))
"""
"""Whether all charts in sight have been drawn."""

FOLLOWED = """
    () => [...document.querySelectorAll(".js-plotly-plot")].filter((plot) => plot.clientWidth).every(
        (plot) => Math.abs(plot.querySelector(".main-svg").getBoundingClientRect().width - plot.clientWidth) < 2
    )
"""
"""Charts are drawn again for a window of another width, after a moment."""
AT_ONCE = """
    () => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync("*, *::before, *::after { transition-property: none !important }");
        if (!window.changesAtOnce) document.adoptedStyleSheets.push(sheet);
        window.changesAtOnce = true;
    }
"""
"""No colour is on its way to another: each element's would begin a frame after its parent's."""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""After the first the page has heard of another scheme or size, after the second it has drawn what hangs on it."""


@dataclass(frozen=True)
class View:
    """A window: its size, and whether its owner likes it light or dark."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


VIEWS = (View("light-wide", "light", 1280, 900), View("dark-narrow", "dark", 360, 800))


def show(page: Page, view: View) -> None:
    """Draw the page that is open in this window. Its owner drags the window's edge; nothing is loaded again."""
    page.evaluate(AT_ONCE)
    page.emulate_media(color_scheme=view.scheme)
    page.set_viewport_size({"width": view.width, "height": view.height})
    page.evaluate(TWO_FRAMES)
    page.wait_for_function(DRAWN)
    page.wait_for_function(FOLLOWED, timeout=FAILS_AFTER_MS)


def take_picture(page: Page, path: Path, **options: Any) -> None:
    """Keep a picture of the whole page, if pictures were asked for: one takes the browser longer than the page did."""
    if os.environ.get(ASKED_BY):
        page.screenshot(path=path, full_page=True, **options)
