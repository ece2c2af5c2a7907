"""The demo from the first process to the last: start everything, train, say what was learned, stay, stop."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.table import Table

from demo import job as first_job
from demo.agreement import Agreed
from demo.client import Client
from demo.coordinator import PORT, choose_port
from demo.ensemble import Ensemble
from demo.following import Follower, human_bytes
from demo.home import Home
from demo.hospitals import DATA_SCIENTIST, HOSPITALS, PEOPLE
from demo.job import ACCURACY_POOLED_MIN, Outcome
from demo.processes import DemoError
from demo.refusals import try_them
from demo.screen import Screen
from demo.services import ROOT, temporary_folder

TEND_EVERY_S = 1.0


def run(screen: Screen, *, figures: bool = False) -> int:
    """`make demo`: everything, until Ctrl-C. `figures`: once trained it prints the line that `check` ends with."""
    home = Home.from_environment(ROOT)
    started = time.monotonic()
    try:
        with home.held(), _interrupted_by_signals(), _everybody(screen, home) as everybody:
            screen.say()
            start_s = time.monotonic() - started
            outcome = _learn(screen, home, everybody)
            if figures:
                print(json.dumps(_figures(screen, everybody, outcome, install_s=0.0, start_s=start_s)), flush=True)
            _print(screen, home, everybody.ensemble, outcome)
            while True:
                for note in everybody.ensemble.tend():
                    screen.say(f"[yellow]![/] {note}")
                time.sleep(TEND_EVERY_S)
    except KeyboardInterrupt:
        screen.say("Everything has been stopped. `make demo` goes on from here.")
        return 0
    except Exception as error:
        screen.failure(_explained(error, home))
        return 1


def check(screen: Screen, install_s: float) -> int:
    """`make demo-check`: the same in a temporary folder, once; the last line is JSON."""
    home = Home(temporary_folder("demo"))
    started = time.monotonic()
    try:
        with home.held(), _interrupted_by_signals(), _everybody(screen, home) as everybody:
            start_s = time.monotonic() - started
            outcome = _learn(screen, home, everybody)
            if outcome.accuracy_pooled < ACCURACY_POOLED_MIN:
                raise DemoError(f"The accuracy is {outcome.accuracy_pooled:.4f}, below {ACCURACY_POOLED_MIN}.")
            figures = _figures(screen, everybody, outcome, install_s=install_s, start_s=start_s)
    except Exception as error:
        explained = _explained(error, home)
        screen.failure(explained)
        screen.say(f"The folder of this run is kept: {home.root}")
        print(json.dumps({"ok": False, "reason": explained.reason}), flush=True)
        return 1
    except KeyboardInterrupt:
        print(json.dumps({"ok": False, "reason": "interrupted"}), flush=True)
        return 130
    shutil.rmtree(home.root, ignore_errors=True)
    print(json.dumps(figures), flush=True)
    return 0


def _explained(error: Exception, home: Home) -> DemoError:
    """What a person is shown; a fault of our own leaves its trace in a log."""
    if isinstance(error, DemoError):
        return error
    home.logs.mkdir(parents=True, exist_ok=True)
    with home.log("demo").open("a") as stream:
        traceback.print_exception(error, file=stream)
    return DemoError(f"A fault of the demo's own: {type(error).__name__}: {error}", home.log("demo"))


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end the demo as Ctrl-C does, also where its parent had SIGINT ignored.

    A shell that starts a command in the background has it ignore SIGINT, and Python then leaves it so.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Everybody:
    """All processes up, the data scientist signed in, and the datasets that she can name, by silo."""

    ensemble: Ensemble
    scientist: Client
    datasets: dict[str, str]
    agreed: Agreed


@contextmanager
def _everybody(screen: Screen, home: Home) -> Iterator[Everybody]:
    """All processes, up and with their data registered; stopped in order whatever happens."""
    port = choose_port([home.recall("port"), PORT])
    home.remember(port=port)
    ensemble = Ensemble(home, port)
    try:
        with screen.step("Taking the hospitals' records out of their published archive") as waiting_for:
            waiting_for("the archive to be downloaded, and its files to be checked")
            ensemble.fetch_records()
        with screen.step("Starting the coordinator's platform") as waiting_for:
            ensemble.start_platform(waiting_for)
        with screen.step("Enrolling the hospitals' connectors, confirmed by their own administrators") as waiting_for:
            ensemble.enrol_silos(waiting_for)
        if not ensemble.isolation.possible:
            screen.say(
                "[yellow]![/] This kernel gives us no network namespaces: the trainers run with --allow-network."
            )
        how = "without any network" if ensemble.isolation.possible else "with this machine's network"
        with screen.step(f"Starting relays and trainers (trainers {how})") as waiting_for:
            ensemble.start_connectors()
            scientist = ensemble.sign_in(DATA_SCIENTIST.email).with_token("demo", first_job.SCOPES)
            datasets = ensemble.await_datasets(scientist, waiting_for)
        with screen.step("Signing the data-use agreement, each party with its own key") as waiting_for:
            agreed = ensemble.conclude_agreement(waiting_for)
        yield Everybody(ensemble, scientist, datasets, agreed)
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with screen.step("Stopping everything, in order") as waiting_for:
                ensemble.stop(waiting_for)
        finally:
            signal.signal(signal.SIGINT, before)


def _learn(screen: Screen, home: Home, everybody: Everybody) -> Outcome:
    """Launch the first job as the data scientist, or take it up again; follow it to its end."""
    client, ensemble = everybody.scientist, everybody.ensemble
    job_id = home.recall("job")
    if job_id is None:
        consortium = next(client.all("consortia/"))["id"]
        job_id = client.post("jobs/", first_job.request(consortium, everybody.datasets))["id"]
        home.remember(job=job_id)
        screen.say(
            f"[green]✓[/] {DATA_SCIENTIST.name} has launched a job over the REST API ({ensemble.url}/api/v1/jobs/)"
        )
    else:
        screen.say("The job of this folder was launched before; going on from there.")

    def tend() -> None:
        for note in ensemble.tend():
            screen.say(f"[yellow]![/] {note}")

    _resume(client, job_id)
    Follower(client, job_id).follow(screen, tend)
    return first_job.outcome(client, job_id)


def _try_outside(everybody: Everybody) -> dict[str, int]:
    consortium = next(everybody.scientist.all("consortia/"))["id"]
    return try_them(everybody.scientist, everybody.ensemble.coordinator, consortium, everybody.datasets)


def _agreement(agreed: Agreed) -> dict[str, Any]:
    return {"members": agreed.members, "signatures": agreed.signatures, "hash": agreed.digest}


def _resume(client: Client, job_id: str) -> None:
    """A job that paused while everything was down goes on."""
    if client.get(f"jobs/{job_id}/")["state"] == "paused":
        client.post(f"jobs/{job_id}/resume/")


def _figures(
    screen: Screen, everybody: Everybody, outcome: Outcome, *, install_s: float, start_s: float
) -> dict[str, Any]:
    """The line that `make demo-check` ends with."""
    with screen.step("Trying a job that the agreement does not allow"):
        refusals = _try_outside(everybody)
    peak_rss_mb = everybody.ensemble.peak_rss_mb()
    audit = json.loads(everybody.ensemble.coordinator.manage("verify_audit", "--json"))
    return {
        "ok": True,
        "silos": len(outcome.silos),
        "rounds": outcome.rounds,
        "strategy": outcome.strategy,
        "accuracy_per_silo": {silo.silo: round(silo.accuracy, 4) for silo in outcome.silos},
        "accuracy_pooled": round(outcome.accuracy_pooled, 4),
        "install_s": round(install_s, 1),
        "start_s": round(start_s, 1),
        "train_s": round(outcome.train_s, 1),
        "bytes_up": outcome.bytes_up,
        "bytes_down": outcome.bytes_down,
        "peak_rss_mb": peak_rss_mb,
        "agreement": _agreement(everybody.agreed),
        "refusals_tested": refusals,
        "audit": {"events": audit["events"], "verified": audit["verified"]},
    }


def _print(screen: Screen, home: Home, ensemble: Ensemble, outcome: Outcome) -> None:
    """What was learned, per silo, and where to look."""
    learned = Table(
        title=f"What was learned in {outcome.rounds} rounds ({outcome.train_s:.0f} s)", title_justify="left"
    )
    for title in ("silo", "hospital", "its test rows", "right before", "right after", "sent up", "got down"):
        learned.add_column(title, justify="left" if title in ("silo", "hospital") else "right")
    for silo in outcome.silos:
        learned.add_row(
            *(silo.silo, silo.organisation, str(silo.rows), f"{silo.accuracy_before:.1%}", f"{silo.accuracy:.1%}"),
            *(human_bytes(silo.bytes_up), human_bytes(silo.bytes_down)),
        )
    rows = sum(silo.rows for silo in outcome.silos)
    learned.add_row(
        *("all", "", str(rows), f"{outcome.accuracy_pooled_before:.1%}", f"{outcome.accuracy_pooled:.1%}"),
        *(human_bytes(outcome.bytes_up), human_bytes(outcome.bytes_down)),
        style="bold",
    )
    screen.say(learned)
    screen.say("One model for all four; no patient's record has left its hospital.\n")
    people = Table(title=f"Sign in at {ensemble.url} (everybody's password: {home.password()})", title_justify="left")
    for title in ("e-mail", "who", "what they do"):
        people.add_column(title, no_wrap=title == "e-mail", overflow="fold")
    for person in PEOPLE:
        people.add_row(person.email, person.name, person.does)
    for hospital in HOSPITALS[:1]:
        people.add_row(hospital.email("steward"), hospital.steward, f"steward of {hospital.organisation}")
        people.add_row(hospital.email("silo_it"), hospital.silo_it, "its IT")
        people.add_row(hospital.email("organisation_administrator"), hospital.administrator, "its administrator")
    screen.say(people)
    screen.say(
        "Administrators and stewards are asked for a code of their authenticator app. It shows now:\n"
        f"    {_reported_by(home)} code {HOSPITALS[0].email('steward')}\n"
    )
    others = ", ".join(hospital.key for hospital in HOSPITALS[1:])
    screen.say(f"The people of {others} have the same addresses with their hospital's name.\n")
    screen.say(f"The job       {ensemble.url}/jobs/{outcome.job_id}/")
    screen.say(f"The REST API  {ensemble.url}/api/v1/docs/")
    screen.say(f"The silos     {_short(home.silos)}/<hospital>/ (spool, keys, egress journal)")
    screen.say(f"The e-mails   {_short(home.emails)}/ (invitations, forgotten passwords)")
    screen.say(f"The logs      {_short(home.logs)}/")
    screen.say("\nEverything keeps running. Ctrl-C stops it.")


def _reported_by(home: Home) -> str:
    """How the demo's command line is reached from the checkout, in this folder."""
    folder = "" if home.root == ROOT / "var" / "demo" else f"DEMO_DIR={shlex.quote(str(home.root))} "
    return f"{folder}.venv/bin/python -m demo"


def _short(path: Path) -> str:
    """A path as seen from the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
