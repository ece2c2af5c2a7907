"""How long a round takes beside the training, and how much memory: so many silos, some model sizes, every real process.

`median_s` is the time from one round's start to the next, read from the rounds' own rows. `launch_to_first_round_s` is
from the launch to the first round's start, `job_of_5_rounds_s` from the launch of a job of five rounds, and a closing
evaluation, to its end. Bytes are a round's, over all silos, artefacts and documents; manifests and agreements come once
a job, and are left out. Memory is web's and the worker's with their children (PSS, sampled five times a second).
`platform_cpu_s` and `silos_cpu_s` are a round's processor time, user and system: of everything that the platform runs,
and of the relays with the dummy trainers, which share its cores. `cpu_s` has them by process. Wall time says little
where both are more than the cores have: compare these instead.
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

from benchmarks.stack import SILO_PROCESSES, Stack, running
from demo.services import temporary_folder

if TYPE_CHECKING:
    from tests.support.federation import Federation

SILOS = 5
SIZES = (10_000, 1_000_000, 10_000_000)
SIZE_MAX = 100_000_000
ROUNDS_UP_TO = ((100_000, 60), (1_000_000, 20), (10_000_000, 10), (SIZE_MAX, 5))
LIMIT_S = {10_000: 0.15, 1_000_000: 0.30, 10_000_000: 1.5}
"""For five silos (DESIGN, 8)."""
WARM_UP = 3
SHORT_ROUNDS = 5
JOB_MAX_S = 900.0


def rounds_for(parameters: int) -> int:
    """How many rounds are measured at this size: of small ones more, as they vary more."""
    return next(rounds for size, rounds in ROUNDS_UP_TO if parameters <= size)


def width_for(parameters: int) -> int:
    """The width of two hidden layers over 13 features that gives at least so many parameters."""
    return math.ceil((-16 + math.sqrt(256 + 4 * (parameters - 1))) / 2)


def measure(stack: Stack, federation: Federation, parameters: int, rounds: int) -> dict[str, Any]:
    """Run one job of so many rounds, after those that warm up, and read its figures."""
    from django.db.models import Sum

    from registry.models import ModelVersion
    from training.models import Order, Round, Submission

    stack.take_peaks()
    over = threading.Event()

    def watch_memory() -> None:
        while not over.wait(0.2):
            stack.sample_memory()

    before_s = stack.processor_times_s()
    watcher = threading.Thread(target=watch_memory)
    watcher.start()
    try:
        job = _run(stack, federation, parameters, rounds + WARM_UP)
    finally:
        over.set()
        watcher.join()
    spent = {name: after - before_s[name] for name, after in stack.processor_times_s().items()}
    per_round = {name: seconds / (rounds + WARM_UP) for name, seconds in spent.items()}
    short = _run(stack, federation, parameters, SHORT_ROUNDS)
    starts = [round_.opened_at for round_ in Round.objects.filter(job=job, attempt=1).order_by("number")]
    lengths = [(after - before).total_seconds() for before, after in itertools.pairwise(starts)][WARM_UP:]
    print(_phases(list(Round.objects.filter(job=job, steps__kind="train"))[WARM_UP:]), file=sys.stderr)
    last = Round.objects.filter(job=job).order_by("number")[rounds - 1]
    sent = Submission.objects.filter(order__step__round=last)
    payload = sent.aggregate(total=Sum("payload_size_bytes"))["total"] or 0
    version = ModelVersion.objects.get(id=last.version.id)
    orders = [len(bytes(order.envelope)) for order in Order.objects.filter(step__round=last)]
    return {
        "median_s": round(statistics.median(lengths), 4),
        "launch_to_first_round_s": round((starts[0] - job.created_at).total_seconds(), 3),
        f"job_of_{SHORT_ROUNDS}_rounds_s": round((short.ended_at - short.created_at).total_seconds(), 3),
        "bytes_up": payload + sum(len(bytes(submission.document)) for submission in sent),
        "bytes_down": len(federation.silos) * version.size_bytes + sum(orders),
        "peak_rss_mb": stack.take_peaks(),
        **_processor_times(per_round),
    }


def _processor_times(per_round_s: dict[str, float]) -> dict[str, Any]:
    """A round's processor time, apart for the platform and for the silos of the benchmark."""
    silos_s = sum(seconds for name, seconds in per_round_s.items() if name in SILO_PROCESSES)
    return {
        "platform_cpu_s": round(sum(per_round_s.values()) - silos_s, 4),
        "silos_cpu_s": round(silos_s, 4),
        "cpu_s": {name: round(seconds, 4) for name, seconds in per_round_s.items()},
    }


def _run(stack: Stack, federation: Federation, parameters: int, rounds: int) -> Any:
    """Run one job of so many rounds to its end; the job."""
    from training.launch.actions import launch
    from training.models import Job
    from training.transitions import ENDED

    width = width_for(parameters)
    request = federation.request(
        name=f"{parameters} parameters, {rounds} rounds",
        model={"family": "mlp", "hidden": [width, width]},
        rounds=rounds,
        quorum=len(federation.silos),
        round_deadline_s=120,
    )
    job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
    deadline = time.monotonic() + JOB_MAX_S
    while job.state not in ENDED and job.state != "paused":
        stack.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job is still {job.state} after {JOB_MAX_S:.0f} s")
        time.sleep(0.25)
        job = Job.objects.get(id=job.id)
    if job.state != "completed":
        raise RuntimeError(f"the job is {job.state}: {job.reason_text}")
    return job


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
    parser.add_argument("--silos", type=int, default=SILOS, metavar="N", help="silos, each with a relay of its own")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help=f"parameters, {SIZE_MAX} at most")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="rounds that are measured of each size")
    parser.add_argument("--idle", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    if asked.silos < 1 or not all(1_000 <= size <= SIZE_MAX for size in asked.sizes):
        parser.error(f"--silos is at least 1, --sizes are from 1000 to {SIZE_MAX}")
    folder = temporary_folder("bench")
    print(f"working in {folder}", file=sys.stderr)
    try:
        with running(folder) as stack:
            if asked.idle:
                print(json.dumps({"idle": idle(stack, asked.idle)}))
                return 0
            federation = stack.enrol(asked.silos)
            figures = {}
            for parameters in asked.sizes:
                figures[str(parameters)] = measure(
                    stack, federation, parameters, asked.rounds or rounds_for(parameters)
                )
                held = asked.silos == SILOS and parameters in LIMIT_S
                message = f" (to hold: {LIMIT_S[parameters]} s)" if held else ""
                print(f"{parameters}: {figures[str(parameters)]}{message}", file=sys.stderr)
            print(json.dumps({"silos": asked.silos, "rounds": figures}))
            return 0
    finally:
        if sys.exc_info()[0] in {None, SystemExit}:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"logs are kept in {folder / 'logs'}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
