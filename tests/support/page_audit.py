"""Pages looked at in a real browser: do they come, does the browser complain, how wide are they, what does axe find.

A walk keeps to one tab, as people do: a new one would read the scripts of every page again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError

from accounts.models import User
from tests.support.cohort import browser
from tests.support.windows import VIEWS, View, show, take_picture

NOTHING = "00000000-0000-4000"
"""What the address of a page has that isn't there."""
SERIOUS = {"serious", "critical"}
EXPECTED = re.compile(r"status of 40[34]|^htmx:(afterRequest|sendAbort), ")
"""A page that isn't there; a fragment that was under way when its page was left."""
AXE_ITSELF = Axe()
AXE = {"resultTypes": ["violations"], "preload": False}
"""Preloading serves one rule alone, on sound, which at most asks somebody to listen."""
SETTLES_MS = 3000
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
SAME_IN_EVERY_WINDOW = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}}
"""What axe has to be asked in the other windows too."""
CHANGING = re.compile(r"\b[A-Za-z0-9]{64}\b|(?<=\">)[^<]*(?=</time>)")
"""Secrets of forms; how long ago something was."""


def signed_in(chromium: Browser, port: int, user: User | None, view: View) -> BrowserContext:
    """A fresh session of this person's, or of nobody's, in a window of this kind."""
    context = chromium.new_context(
        base_url=f"http://127.0.0.1:{port}",
        color_scheme=view.scheme,
        viewport={"width": view.width, "height": view.height},
        reduced_motion="reduce",
    )
    if user is not None:
        session = browser(user).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": f"http://127.0.0.1:{port}"}])
    return context


def complaints_of(page: Page) -> list[str]:
    """What the browser says against a page, from now on."""
    found: list[str] = []
    page.on(
        "console",
        lambda reported: (
            found.append(reported.text) if reported.type == "error" and not EXPECTED.search(reported.text) else None
        ),
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@dataclass
class Walk:
    """Somebody's way, in a tab of theirs.

    Each page is loaded once, in the window in which the one before it was left, and then drawn in the others: every
    other page is loaded wide and light.
    """

    page: Page
    view: View
    user: User | None
    folder: Path
    seen: set[str]
    complaints: list[str]
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str, address: str) -> None:
        """Go there; what is wrong with the page in any window is kept, and pictures of it where they are asked for."""
        answer = self.page.goto(address)
        expected = 404 if NOTHING in address else 200
        if answer is None or answer.status != expected:
            self.wrong[f"{name} status"] = [str(answer and answer.status)]
        is_new = None
        for view in (self.view, *(view for view in VIEWS if view is not self.view)):
            self.view = view
            show(self.page, view)
            is_new = self._is_new() if is_new is None else is_new
            wrong = [*self._too_wide(), *(self._axe() if is_new else ())]
            take_picture(self.page, self.folder / view.name / f"{name}.png")
            if wrong := wrong + self.complaints:
                self.wrong[f"{name} {view.name}"] = wrong
            self.complaints.clear()

    def _too_wide(self) -> Iterator[str]:
        with suppress(TimeoutError):  # what is wrong for longer is reported below
            self.page.wait_for_function(FITS, timeout=SETTLES_MS)
        wide, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide > window:
            yield f"{wide} pixels wide in a window of {window}"

    def _is_new(self) -> bool:
        """Whether axe has yet to look at what stands here: all that it goes by is the page's elements and the window.

        Who looks, and what changes from look to look, is left out.
        """
        elements = CHANGING.sub("", self.page.content())
        for mine in (self.user.full_name, self.user.email) if self.user else ():
            elements = elements.replace(mine, "")
        if elements in self.seen:
            return False
        self.seen.add(elements)
        return True

    def _axe(self) -> Iterator[str]:
        """What axe finds is much the same in every window."""
        only = {} if self.view is VIEWS[0] else SAME_IN_EVERY_WINDOW
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_ITSELF.axe_script)
        for violation in self.page.evaluate("options => axe.run(options)", {**AXE, **only})["violations"]:
            if violation["impact"] in SERIOUS:
                nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
                yield f"axe {violation['id']} ({violation['impact']}): {nodes}"


@contextmanager
def walk(chromium: Browser, port: int, user: User | None, folder: Path, seen: set[str] | None = None) -> Iterator[Walk]:
    """Somebody's walk. Walks that share `seen` ask axe once about pages that are the same for several people."""
    for view in VIEWS:
        (folder / view.name).mkdir(parents=True, exist_ok=True)
    context = signed_in(chromium, port, user, VIEWS[0])
    page = context.new_page()
    found = Walk(page, VIEWS[0], user, folder, set() if seen is None else seen, complaints_of(page))
    yield found
    context.close()
    if found.complaints:  # of the page that was looked at last, after the look
        found.wrong["the end"] = found.complaints
