"""How long a round takes beside the training, and how much memory: five silos, three model sizes, every real process.

`median_s` is the time from one round's start to the next, read from the rounds' own rows. Bytes are a round's, over all
silos, artefacts and documents. Memory is web's and the worker's with their children (PSS, sampled five times a second).
The last line is JSON. With `--idle N` it measures N idle connectors on the one web process instead.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.stack import Stack, running
from demo.services import temporary_folder

if TYPE_CHECKING:
    from tests.support.federation import Federation

SILOS = 5
ROUNDS = {10_000: 60, 1_000_000: 20, 10_000_000: 10}
LIMIT_S = {10_000: 0.15, 1_000_000: 0.30, 10_000_000: 1.5}
WARM_UP = 3


def width_for(parameters: int) -> int:
    """The width of two hidden layers over 13 features that gives at least so many parameters."""
    return math.ceil((-16 + math.sqrt(256 + 4 * (parameters - 1))) / 2)


def measure(stack: Stack, federation: Federation, parameters: int) -> dict[str, Any]:
    """Run one job and read its figures."""
    from django.db.models import Sum

    from registry.models import ModelVersion
    from training.launch.actions import launch
    from training.models import Job, Order, Round, Submission
    from training.transitions import ENDED

    width = width_for(parameters)
    request = federation.request(
        name=f"{parameters} parameters",
        model={"family": "mlp", "hidden": [width, width]},
        rounds=ROUNDS[parameters] + WARM_UP,
        quorum=SILOS,
        round_deadline_s=120,
    )
    stack.take_peaks()
    over = threading.Event()

    def watch_memory() -> None:
        while not over.wait(0.2):
            stack.sample_memory()

    before_s = stack.processor_times_s()
    watcher = threading.Thread(target=watch_memory)
    watcher.start()
    try:
        job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
        deadline = time.monotonic() + 300
        while (state := Job.objects.get(id=job.id).state) not in ENDED and state != "paused":
            stack.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the job is still {state} after 300 s")
            time.sleep(0.25)
        if state != "completed":
            raise RuntimeError(f"the job is {state}: {Job.objects.get(id=job.id).reason}")
    finally:
        over.set()
        watcher.join()
    spent = {name: after - before_s[name] for name, after in stack.processor_times_s().items()}
    per_round = {name: f"{seconds / (ROUNDS[parameters] + WARM_UP) * 1000:.0f} ms" for name, seconds in spent.items()}
    print(f"processor time a round: {per_round}", file=sys.stderr)
    starts = [round_.opened_at for round_ in Round.objects.filter(job=job, attempt=1).order_by("number")]
    lengths = [(after - before).total_seconds() for before, after in itertools.pairwise(starts)][WARM_UP:]
    print(_phases(list(Round.objects.filter(job=job, steps__kind="train"))[WARM_UP:]), file=sys.stderr)
    last = Round.objects.filter(job=job).order_by("number")[ROUNDS[parameters] - 1]
    sent = Submission.objects.filter(order__step__round=last)
    payload = sent.aggregate(total=Sum("payload_size_bytes"))["total"] or 0
    version = ModelVersion.objects.get(id=last.base_version_id)
    orders = [len(bytes(order.envelope)) for order in Order.objects.filter(step__round=last)]
    manifest = len(bytes(Job.objects.get(id=job.id).manifest or b""))
    return {
        "median_s": round(statistics.median(lengths), 4),
        "bytes_up": payload + sum(len(bytes(submission.document)) for submission in sent),
        "bytes_down": SILOS * (version.size_bytes + manifest) + sum(orders),
        "peak_rss_mb": stack.take_peaks(),
    }


def _phases(rounds: list[Any]) -> str:
    """Where the time of a round goes, in medians of milliseconds after its start."""
    from training.models import Order

    marks: dict[str, list[float]] = {name: [] for name in ("delivered", "first in", "last in", "claimed", "closed")}
    for round_ in rounds:
        orders = list(Order.objects.filter(step__round=round_))
        moments = {
            "delivered": max(order.delivered_at or round_.opened_at for order in orders),
            "first in": min(order.answered_at or round_.opened_at for order in orders),
            "last in": max(order.answered_at or round_.opened_at for order in orders),
            "claimed": round_.steps.latest("position").aggregating_at,
            "closed": round_.closed_at,
        }
        for name, moment in moments.items():
            marks[name].append((moment - round_.opened_at).total_seconds() * 1000)
    return ", ".join(f"{name} {statistics.median(values):.0f} ms" for name, values in marks.items())


def idle(stack: Stack, connectors: int) -> dict[str, Any]:
    """What so many connectors that wait for orders cost the web process."""
    from benchmarks.idle import run

    return run(stack, connectors)


def main() -> int:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(ROUNDS), choices=list(ROUNDS))
    parser.add_argument("--idle", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    folder = temporary_folder("bench")
    print(f"working in {folder}", file=sys.stderr)
    try:
        with running(folder) as stack:
            if asked.idle:
                print(json.dumps({"idle": idle(stack, asked.idle)}))
                return 0
            federation = stack.enrol(SILOS)
            figures = {}
            for parameters in asked.sizes:
                figures[str(parameters)] = measure(stack, federation, parameters)
                print(f"{parameters}: {figures[str(parameters)]} (to hold: {LIMIT_S[parameters]} s)", file=sys.stderr)
            print(json.dumps({"rounds": figures}))
            return 0
    finally:
        if sys.exc_info()[0] in {None, SystemExit}:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"logs are kept in {folder / 'logs'}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
