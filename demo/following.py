"""A job followed live: woken by its events, read over the REST API, shown as a table or reported line by line."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.client import Client
from demo.job import ENDED
from demo.processes import DemoError
from demo.screen import Screen

LOOK_EVERY_S = 1.0
LOOK_PAUSE_S = 0.4
COUNT_EVERY_S = 3.0
STANDSTILL_MAX_S = 300.0
WORDS = {
    "issued": "has an order waiting",
    "delivered": "trains",
    "accepted": "trains",
    "submitted": "has answered",
    "applied": "is in the sum",
}


def human_bytes(count: int) -> str:
    """A size in words."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


class Follower:
    """What is known of a job, renewed at each of its events."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._news = threading.Event()
        self._over = threading.Event()
        self.job: dict[str, Any] = client.get(f"jobs/{job_id}/")
        self._bytes_up: Counter[str] = Counter()
        self._counted_rounds, self._counted_at = 0, 0.0
        self._changed_at = time.monotonic()

    def follow(self, screen: Screen, tend: Callable[[], None]) -> None:
        """Until the job has ended. Raises DemoError unless it is completed; `tend` is called about every second."""
        listener = threading.Thread(target=self._listen, daemon=True)
        listener.start()
        reported = 0
        try:
            with screen.watching(self._draw, self._waiting_for):
                while True:
                    self._look()
                    if not screen.live:
                        reported = self._print(screen, reported)
                    if self.job["state"] in ENDED:
                        break
                    tend()
                    self._check_progress()
                    self._over.wait(LOOK_PAUSE_S)
                    self._news.wait(LOOK_EVERY_S - LOOK_PAUSE_S)
                    self._news.clear()
        finally:
            self._over.set()
        if self.job["state"] != "completed":
            raise DemoError(f"The job is {self.job['state']}: {self.job['reason_code']} {self.job['reason']}")

    def _listen(self) -> None:
        """Server-sent events; a broken stream is taken up again, and once a second we look anyway."""
        while not self._over.is_set():
            try:
                for _ in self._client.events(f"jobs/{self._job_id}/events/"):
                    self._news.set()
                    if self._over.is_set():
                        return
            except (DemoError, OSError):
                self._news.set()
            self._over.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        job = self._client.get(f"jobs/{self._job_id}/")
        if self._stage(job) != self._stage(self.job):
            self._changed_at = time.monotonic()
        stale = time.monotonic() - self._counted_at > COUNT_EVERY_S
        if job["rounds_closed"] != self._counted_rounds and (stale or job["state"] in ENDED):
            self._counted_rounds, self._counted_at = job["rounds_closed"], time.monotonic()
            self._bytes_up = Counter()
            for entry in self._client.all(f"jobs/{self._job_id}/rounds/"):
                for order in entry["orders"]:
                    self._bytes_up[order["silo"]["name"]] += order["bytes_up"]
        self.job = job

    @staticmethod
    def _stage(job: dict[str, Any]) -> object:
        current = job["current_round"] or {}
        return job["state"], current.get("number"), current.get("state"), str(current.get("outcomes"))

    def _check_progress(self) -> None:
        if self.job["state"] == "paused":
            raise DemoError(f"The job has paused: {self.job['reason_code']} {self.job['reason']}")
        if time.monotonic() - self._changed_at > STANDSTILL_MAX_S:
            raise DemoError(f"Nothing has moved for {STANDSTILL_MAX_S:.0f} s: {self._waiting_for()}")

    def _waiting_for(self) -> str:
        """What the job waits for, in words."""
        current = self.job["current_round"]
        since = f"{time.monotonic() - self._changed_at:.0f} s"
        if self.job["state"] == "queued" or current is None:
            return f"waiting for the worker to start the job … {since}"
        if current["steps"][-1]["state"] == "aggregating":
            return f"waiting for the worker to aggregate round {current['number']} … {since}"
        missing = [
            member["silo"]["name"]
            for member in self.job["cohort"]
            if member["order"] and member["order"]["state"] in ("issued", "delivered", "accepted")
        ]
        return f"waiting for {', '.join(missing) or 'the worker'} in round {current['number']} … {since}"

    def _print(self, screen: Screen, reported: int) -> int:
        """A line for each round whose model was evaluated since the last report."""
        if self.job["rounds_closed"] == reported:
            return reported
        metrics = list(self._client.all(f"jobs/{self._job_id}/metrics/"))
        for entry in metrics[reported:]:
            accuracy = entry["combined"].get("accuracy")
            each = ", ".join(
                f"{one['silo']['name']} {one['accuracy']:.3f}" for one in entry["silos"] if one["accuracy"] is not None
            )
            made = entry["version_round"]
            model = f"after round {made:2d}/{self.job['rounds_planned']}" if made else "before round  1   "
            total = "-" if accuracy is None else f"{accuracy:.3f}"
            screen.say(f"  {model} accuracy {total} ({each})")
        return len(metrics)

    def _draw(self) -> RenderableType:
        """The job as it stands."""
        job, current = self.job, self.job["current_round"]
        planned, closed = job["rounds_planned"], min(job["rounds_closed"], job["rounds_planned"])
        head = Text.assemble((job["name"], "bold"), f"  {job['state']}, round {closed} of {planned}")
        if (accuracy := job["metrics"].get("accuracy")) is not None:
            head.append(f", accuracy over all silos {accuracy:.3f}")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("silo", "hospital", "now", "accuracy", "sent up"):
            table.add_column(title, justify="right" if title in ("accuracy", "sent up") else "left")
        for member in job["cohort"]:
            silo, order, evaluation = member["silo"], member["order"], member["evaluation"]
            state = order["state"] if order else ""
            accuracy = evaluation["accuracy"] if evaluation else None
            table.add_row(
                silo["name"],
                silo["organisation"]["name"],
                f"{WORDS.get(state, state)}{' ' + order['code'] if order and order['code'] else ''}",
                "-" if accuracy is None else f"{accuracy:.3f}",
                human_bytes(self._bytes_up[silo["name"]]),
            )
        below = Text(self._waiting_for() if job["state"] not in ENDED and current else "", style="dim")
        return Group(head, ProgressBar(total=max(planned, 1), completed=closed, width=60), table, below)
