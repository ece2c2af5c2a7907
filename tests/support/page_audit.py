"""Pages looked at in a real browser: do they come, does the browser complain, how wide are they, what does axe find.

A walk keeps to one tab, as people do: a new one would read the scripts of every page anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import User
from tests.support.cohort import browser
from tests.support.windows import DRAWN, VIEWS, View, take_picture

NOTHING = "00000000-0000-4000"
"""What the address of a page has that isn't there."""
SERIOUS = {"serious", "critical"}
EXPECTED = re.compile(r"status of 40[34]|^htmx:(afterRequest|sendAbort), ")
"""A page that isn't there; a fragment that was under way when its page was left."""
AXE = {"resultTypes": ["violations"], "preload": False}
"""Preloading serves one rule alone, on sound, which at most asks somebody to listen."""
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
        lambda told: found.append(told.text) if told.type == "error" and not EXPECTED.search(told.text) else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@dataclass
class Walk:
    """Somebody's way, in a tab of theirs."""

    page: Page
    view: View
    user: User | None
    folder: Path
    seen: set[str]
    complaints: list[str]
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str, address: str, *, picture: bool = True) -> None:
        """Go there; what is wrong with the page as it stands is kept, and a picture of it where they are asked for."""
        answer = self.page.goto(address)
        self.page.wait_for_function(DRAWN)
        expected = 404 if NOTHING in address else 200
        wrong = [] if answer is not None and answer.status == expected else [str(answer and answer.status)]
        wide, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide > window:
            wrong.append(f"{wide} pixels wide in a window of {window}")
        if self._is_new():
            wrong += self._axe()
        if picture:
            take_picture(self.page, self.folder / f"{name}.png")
        if wrong := wrong + self.complaints:
            self.wrong[f"{name} {self.view.name}"] = wrong
        self.complaints.clear()

    def _is_new(self) -> bool:
        """Whether axe has yet to look at what stands here: all that it goes by is the page's elements and the window.

        Who looks, and what changes from look to look, is left out.
        """
        elements = CHANGING.sub("", self.page.content())
        for mine in (self.user.full_name, self.user.email) if self.user else ():
            elements = elements.replace(mine, "")
        found = f"{self.view.name} {elements}"
        if found in self.seen:
            return False
        self.seen.add(found)
        return True

    def _axe(self) -> Iterator[str]:
        """What axe finds is much the same in every window."""
        only = {} if self.view is VIEWS[0] else SAME_IN_EVERY_WINDOW
        report = Axe().run(self.page, options={**AXE, **only}).response
        for violation in report["violations"]:
            if violation["impact"] in SERIOUS:
                nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
                yield f"axe {violation['id']} ({violation['impact']}): {nodes}"


@contextmanager
def walk(
    chromium: Browser, port: int, user: User | None, view: View, folder: Path, seen: set[str] | None = None
) -> Iterator[Walk]:
    """Somebody's walk. Walks that share `seen` ask axe once about pages that are the same for several people."""
    folder.mkdir(parents=True, exist_ok=True)
    context = signed_in(chromium, port, user, view)
    page = context.new_page()
    found = Walk(page, view, user, folder, set() if seen is None else seen, complaints_of(page))
    yield found
    context.close()
    if found.complaints:  # of the page that was looked at last, after the look
        found.wrong[f"the end {view.name}"] = found.complaints
