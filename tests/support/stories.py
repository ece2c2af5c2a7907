"""Somebody's way through the pages in a real browser: signed in afresh, clicked as people do, seen in every window.

A way is walked once. Where it stops, the page is drawn again light and dark, wide and narrow: it must not be wider than
its window. Whatever the browser complains of fails the story. Pictures are kept where they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from accounts.actions import set_password
from accounts.models import User
from tests.support.federation import TEST
from tests.support.windows import SCREENSHOTS, View, show, take_picture

PASSWORD = "a long password 1"
WIDE = View("light-wide", "light", 1280, 900)
WINDOWS = (WIDE, View("dark-narrow", "dark", 360, 800))
"""Each width and each scheme once: colours move nothing."""
LARGE_LIGHT = (View("light-4k", "light", 3840, 2160),)
LARGE_DARK = (View("dark-4k", "dark", 3840, 2160),)
SETTLES_MS = 3000
STICKS_OUT = """
    () => {
        const out = (one, place) => one.getBoundingClientRect().right > place.getBoundingClientRect().right + 1;
        const plots = [...document.querySelectorAll(".js-plotly-plot")].filter((plot) => plot.clientWidth);
        const parts = [...document.querySelectorAll(".card :is(button, .button, input, select, textarea, pre)")];
        const box = (plot, part) => plot.querySelector(part)?.getBoundingClientRect();
        const covers = (plot) => box(plot, ".legend")?.bottom > box(plot, ".nsewdrag")?.top + 2;
        return [
            ...plots.filter((plot) => out(plot.querySelector(".main-svg"), plot) || covers(plot)),
            ...parts.filter((part) => !part.closest(".scroll") && out(part, part.closest(".card"))),
        ].map((one) => one.outerHTML.slice(0, 120));
    }
"""
"""What reaches over the edge of its card: plots, buttons, fields; and plots that their own legend covers."""
SETTLED = f"""
    () => document.documentElement.scrollWidth <= document.documentElement.clientWidth && !({STICKS_OUT})().length
"""
EXPECTED = re.compile(r"status of 422|^htmx:(afterRequest|sendAbort), ")
"""A refused form, which the story asked for; a fragment that was under way when its page was left."""


@dataclass
class Story:
    """One person's way, and what was wrong on it."""

    role: str
    page: Page
    wrong: list[str] = field(default_factory=list)
    stops: int = 0

    def look(self, name: str, views: tuple[View, ...] = WINDOWS) -> None:
        """Stop here: draw the page in every window, measure it, and keep its pictures where they are asked for."""
        self.stops += 1
        folder = SCREENSHOTS / "stories"
        folder.mkdir(parents=True, exist_ok=True)
        for view in views:
            show(self.page, view)
            with suppress(TimeoutError):  # what is wrong for longer is reported below, by its name
                self.page.wait_for_function(SETTLED, timeout=SETTLES_MS)
            needed, window = self.page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            if needed > window:
                self.wrong.append(f"{name}, {view.name}: {needed} pixels wide in a window of {window}")
            self.wrong += [f"{name}, {view.name}: sticks out: {one}" for one in self.page.evaluate(STICKS_OUT)]
            picture = folder / f"{self.role}-{self.stops}-{name}-{view.name}.png"
            take_picture(self.page, picture, animations="disabled")
        self.page.emulate_media(color_scheme=WIDE.scheme)
        self.page.set_viewport_size({"width": WIDE.width, "height": WIDE.height})

    def go(self, place: str) -> None:
        """By the menu."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=place, exact=True).click()
        expect(self.page.get_by_role("heading", name=place, level=1)).to_be_visible()

    def tab(self, name: str) -> None:
        """By the tabs of a consortium or a job."""
        tabs = self.page.locator("nav.tabs")
        tabs.get_by_role("link", name=re.compile(rf"^{name}\b")).click()
        expect(tabs.locator("[aria-current=page]")).to_contain_text(name)

    def follow(self, link: str) -> None:
        """By a link of the page itself."""
        self.page.get_by_role("main").get_by_role("link", name=link).first.click()

    def press(self, button: str) -> None:
        """A button of the page itself."""
        self.page.get_by_role("main").get_by_role("button", name=button).first.click()

    def fill(self, **fields: str) -> None:
        """What stands in the fields with these labels, an underscore for a space."""
        for label, value in fields.items():
            self.page.get_by_label(re.compile(label.replace("_", " "), re.IGNORECASE)).first.fill(value)

    def says(self, text: str) -> Locator:
        """The page says so, in a message."""
        message = self.page.locator(".notice").filter(has_text=text).first
        expect(message).to_be_visible()
        return message

    def heading(self, name: str) -> None:
        """The page is this one."""
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()


@contextmanager
def story(browser: Browser, port: int, role: str, user: User | None = None) -> Iterator[Story]:
    """A fresh session; `user` signs in by the form. At the end nothing may have been wrong."""
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{port}",
        viewport={"width": WIDE.width, "height": WIDE.height},
        reduced_motion="reduce",
    )
    reported = Story(role, context.new_page())
    reported.page.on(
        "console",
        lambda statement: (
            reported.wrong.append(statement.text)
            if statement.type == "error" and not EXPECTED.search(statement.text)
            else None
        ),
    )
    reported.page.on("pageerror", lambda error: reported.wrong.append(str(error)))
    if user is not None:
        set_password(user=user, password=PASSWORD, by=TEST)
        reported.page.goto("/")
        reported.page.get_by_label("E-mail address").fill(user.email)
        reported.page.get_by_label("Password").fill(PASSWORD)
        reported.press("Sign in")
        reported.heading("Home")
    yield reported
    context.close()
    assert not reported.wrong, "\n".join(reported.wrong)
