"""What a person sees: steps with their times, and never a still line without saying what is being waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from demo.processes import DemoError, tail

SILENCE_MAX_S = 4.0


class Screen:
    """A terminal with a spinner and live tables, or plain lines where there is none."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.live = self.console.is_terminal
        self._last_line_at = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: RenderableType = "") -> None:
        """One line, or something larger."""
        with self._lock:
            self._last_line_at = time.monotonic()
            self.console.print(text, soft_wrap=isinstance(text, str))

    @contextmanager
    def step(self, doing: str) -> Iterator[Callable[[str], None]]:
        """Something that takes its time. The callable that is given changes what is said to be waited for."""
        waiting_for = [doing]
        started = time.monotonic()

        def now_waiting_for(what: str) -> None:
            waiting_for[0] = what

        def line() -> str:
            return f"{waiting_for[0]} … {time.monotonic() - started:.0f} s"

        with self._moving(line):
            yield now_waiting_for
        self.say(f"[green]✓[/] {doing} [dim]({time.monotonic() - started:.1f} s)[/]")

    @contextmanager
    def watching(self, draw: Callable[[], RenderableType], line: Callable[[], str]) -> Iterator[None]:
        """A picture redrawn again and again on a terminal; elsewhere `line`, whenever nothing else was stated."""
        if not self.live:
            with self._moving(line):
                yield
            return
        with Live(console=self.console, refresh_per_second=4, get_renderable=draw, transient=False):
            yield

    @contextmanager
    def _moving(self, line: Callable[[], str]) -> Iterator[None]:
        if self.live:
            spinner = Spinner("dots")

            def draw() -> RenderableType:
                spinner.update(text=Text(line()))
                return Group(spinner)

            with Live(console=self.console, refresh_per_second=8, get_renderable=draw, transient=True):
                yield
            return
        ended = threading.Event()
        voice = threading.Thread(target=self._speak_up, args=(ended, line), daemon=True)
        voice.start()
        try:
            yield
        finally:
            ended.set()
            voice.join()

    def _speak_up(self, ended: threading.Event, line: Callable[[], str]) -> None:
        while not ended.wait(0.25):
            if time.monotonic() - self._last_line_at >= SILENCE_MAX_S:
                self.say(f"  {line()}")

    def failure(self, error: DemoError) -> None:
        """Why it can't go on, and the end of the log that reports more."""
        self.say(f"[red]✗[/] {error.reason}")
        if error.log is not None and (end := tail(error.log)):
            self.say(f"The end of {error.log}:")
            with self._lock:
                self.console.print(end, markup=False, highlight=False)
