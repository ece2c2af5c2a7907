"""The command line of silo IT, ``silo-connector``. A command imports only what its own side of the organisation may
have.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from federation.errors import FederationError
from silo_connector import VERSION

SHARED_UMASK = 0o007
"""Relay and trainer may run as two users of one group; keys and state are readable by their owner only anyway."""

SIDES = ("relay", "trainer")
PROCESSES = (*SIDES, "runner")
JUDGING = ("federation.agreements", "federation.evidence", "federation.learning", "federation.plans")
"""What the relay's image has not got: it checks nothing."""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it went well, 1 if not, 2 for a command line that can't be understood."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    before = os.umask(SHARED_UMASK)
    try:
        return command(options)
    except FederationError as error:
        print(f"silo-connector: {error.message}  [{error.code}]", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (missing := _side_of(error)) is None:
            raise
        message = f"This image has no {missing}: run the command in the {missing}'s container"
        print(f"silo-connector: {message} (docker compose run --rm {missing} …).  [command.elsewhere]", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        message = f"{error.filename}: {error.strerror}. This command runs as user {os.geteuid()}"
        print(f"silo-connector: {message}, who must be allowed that there.  [file.unusable]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        os.umask(before)


def _side_of(error: ModuleNotFoundError) -> str | None:
    """The side of the connector that is not in this image, when that is what the error is about."""
    if error.name in JUDGING:
        return "trainer"
    return next((side for side in PROCESSES if error.name == f"silo_connector.{side}"), None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="silo-connector",
        description="Connects a silo to a Consilience platform: training happens here, data stay here.",
        epilog="First steps: key make, prepare, key certify, enrol, doctor, run. See docs/silo-it.md.",
    )
    parser.add_argument("--version", action="version", version=f"silo-connector {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_keys(commands)
    _add_enrolment(commands)
    _add_run(commands)
    _add_agreements(commands)
    _add_plans(commands)
    _add_acceptance(commands)
    _add_checks(commands)
    _add_verify(commands)
    return parser


def _add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    keys = commands.add_parser("key", help="the organisation's signatory key").add_subparsers(
        required=True, metavar="key command"
    )
    make = keys.add_parser("make", help="make the signatory key (once per organisation, kept on premises)")
    make.add_argument("--organisation", required=True, help="the organisation's name as the platform has it")
    make.add_argument("--out", type=Path, required=True, help="where the key goes; its public card goes beside it")
    make.set_defaults(command=_lazily("keys", "make"))
    certify = keys.add_parser("certify", help="certify a silo's identity key with the signatory key")
    certify.add_argument("--key", type=Path, required=True, help="the signatory key")
    certify.add_argument("--config", type=Path, help="this silo's connector.toml: certify it in place and pin the key")
    certify.add_argument("--identity-key", help="the base64 of a silo's identity key, to certify one that is elsewhere")
    certify.add_argument("--out", type=Path, help="with --identity-key: where the certificate goes")
    certify.add_argument("--organisation", help="the organisation's name, if the key's public card is not beside it")
    certify.add_argument("--days", type=int, default=730, help="how long the certificate holds (default 730)")
    certify.set_defaults(command=_lazily("keys", "certify"))


def _add_enrolment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prepare = commands.add_parser("prepare", help="make the silo's identity key (trainer's side)")
    _add_config(prepare)
    prepare.add_argument("--certificate", type=Path, help="install a certificate that was made elsewhere")
    prepare.set_defaults(command=_lazily("enrolment", "prepare"))
    enrol = commands.add_parser("enrol", help="enrol this silo with a single-use code (relay's side)")
    _add_config(enrol)
    enrol.add_argument("--code", required=True, help="the code from the enrolment page, or - to read it from stdin")
    enrol.add_argument("--again", action="store_true", help="replace an enrolment that was revoked")
    enrol.set_defaults(command=_lazily("enrolment", "enrol"))
    fingerprints = commands.add_parser("fingerprints", help="show the fingerprints to compare by telephone")
    _add_config(fingerprints)
    fingerprints.add_argument("--json", action="store_true", help="for machines")
    fingerprints.set_defaults(command=_lazily("enrolment", "fingerprints"))


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="run one of the processes").add_subparsers(
        required=True, metavar="relay|trainer|runner"
    )
    relay = run.add_parser("relay", help="the process with the network")
    _add_config(relay)
    relay.set_defaults(command=_lazily("run", "relay"))
    trainer = run.add_parser("trainer", help="the process with the data and the silo's keys")
    _add_config(trainer)
    trainer.add_argument("--allow-network", action="store_true", help="start even though this process has a network")
    trainer.set_defaults(command=_lazily("run", "trainer"))
    runner = run.add_parser("runner", help="the process that runs training plans, where custom code is allowed")
    _add_config(runner)
    runner.add_argument("--allow-network", action="store_true", help="start even if sessions can't be cut off from it")
    runner.set_defaults(command=_lazily("run", "runner"))


def _add_agreements(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sign = commands.add_parser("sign", help="sign a data-use agreement with the signatory key")
    sign.add_argument("agreement", type=Path, nargs="?", help="the file downloaded from the agreement's page")
    sign.add_argument("--config", type=Path, help="default: connector.toml; not needed with --export")
    sign.add_argument("--key", type=Path, help="the signatory key, if connector.toml does not name it")
    sign.add_argument("--export", type=Path, metavar="FILE", help="write the signed agreement to a file")
    sign.add_argument("--import", type=Path, metavar="FILE", dest="import_", help="take one that was signed elsewhere")
    sign.add_argument("--yes", action="store_true", help="do not ask")
    sign.set_defaults(command=_lazily("signing", "sign"))
    suspend = commands.add_parser("suspend", help="do nothing more under an agreement, at once")
    suspend.add_argument("agreement_id", nargs="?", help="default: all that are kept here")
    _add_config(suspend)
    suspend.add_argument("--lift", action="store_true", help="end a suspension")
    suspend.add_argument("--reason", default="", help="kept here, sent to nobody")
    suspend.set_defaults(command=_lazily("agreements", "suspend"))
    agreements = commands.add_parser("agreements", help="what has been signed here")
    _add_config(agreements)
    agreements.set_defaults(command=_lazily("agreements", "show"))
    policy = commands.add_parser("policy", help="this silo's own limits").add_subparsers(
        required=True, metavar="check|show"
    )
    for name, one_report in (
        ("check", "what policy.toml would do with each job now open"),
        ("show", "the limits that hold"),
    ):
        command = policy.add_parser(name, help=one_report)
        _add_config(command)
        command.set_defaults(command=_lazily("policy", name))


def _add_plans(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    approve = commands.add_parser("approve", help="read a training plan, and approve or refuse it")
    approve.add_argument("plan", type=Path, help="the file downloaded from the plan's page")
    approve.add_argument("--reviewer", help="who has read it: a person's name, shown to the other members")
    approve.add_argument("--refuse", action="store_true", help="refuse it instead: then it does not run here")
    approve.add_argument("--note", default="", help="a word about it, shown to the other members")
    approve.add_argument("--key", type=Path, help="the signatory key, if connector.toml does not name it")
    approve.add_argument("--config", type=Path, help="default: connector.toml; not needed with --export")
    approve.add_argument("--reviews", type=Path, metavar="FILE", help="what others said of it, from the plan's page")
    approve.add_argument("--export", type=Path, metavar="FILE", help="write the signed review to a file")
    approve.add_argument(
        "--import", type=Path, metavar="FILE", dest="import_", help="take one that was signed elsewhere"
    )
    approve.add_argument("--yes", action="store_true", help="do not ask")
    approve.set_defaults(command=_lazily("approving", "approve"))
    plans = commands.add_parser("plans", help="the training plans that were reviewed here")
    _add_config(plans)
    plans.set_defaults(command=_lazily("plans", "show"))


def _add_acceptance(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    accept = commands.add_parser("accept-state", help="let a trainer go on whose state is older than its journal")
    accept.add_argument("request", type=Path, nargs="?", help="the request of a trainer that is elsewhere, to sign it")
    accept.add_argument("--config", type=Path, help="default: connector.toml; not needed with a request")
    accept.add_argument("--key", type=Path, help="the signatory key, if connector.toml does not name it")
    accept.add_argument("--request", type=Path, metavar="FILE", dest="ask", help="write what is to be signed elsewhere")
    accept.add_argument("--export", type=Path, metavar="FILE", help="write the signed acceptance to a file")
    accept.add_argument(
        "--import", type=Path, metavar="FILE", dest="import_", help="take one that was signed elsewhere"
    )
    accept.add_argument("--yes", action="store_true", help="do not ask")
    accept.set_defaults(command=_lazily("accepting", "accept_state"))
    log = commands.add_parser("accept-log", help="countersign again after the platform was restored from a backup")
    log.add_argument("request", type=Path, nargs="?", help="the request of a trainer that is elsewhere, to sign it")
    log.add_argument("--chain", help="the chain of the audit log, where more than one broke")
    log.add_argument("--config", type=Path, help="default: connector.toml; not needed with a request")
    log.add_argument("--key", type=Path, help="the signatory key, if connector.toml does not name it")
    log.add_argument("--request", type=Path, metavar="FILE", dest="ask", help="write what is to be signed elsewhere")
    log.add_argument("--export", type=Path, metavar="FILE", help="write the signed acceptance to a file")
    log.add_argument("--import", type=Path, metavar="FILE", dest="import_", help="take one that was signed elsewhere")
    log.add_argument("--yes", action="store_true", help="do not ask")
    log.set_defaults(command=_lazily("accepting_log", "accept_log"))


def _add_checks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="the silo's datasets").add_subparsers(required=True, metavar="check")
    check = data.add_parser("check", help="read each dataset as training would, and say what is wrong with it")
    _add_config(check)
    check.set_defaults(command=_lazily("data", "check"))
    journal = commands.add_parser("journal", help="what was done here").add_subparsers(required=True, metavar="verify")
    verify = journal.add_parser("verify", help="whether the journal's chain is whole")
    _add_config(verify)
    verify.set_defaults(command=_lazily("journal", "check"))
    doctor = commands.add_parser("doctor", help="look for what may be wrong, and say what to do")
    _add_config(doctor)
    doctor.add_argument("--code", help="an enrolment code to check without using it up")
    doctor.add_argument("--side", choices=(*SIDES, "both"), help="default: what is installed here")
    doctor.add_argument("--json", action="store_true", help="for machines")
    doctor.set_defaults(command=_lazily("doctor", "doctor"))


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser("verify", help="check a job's evidence, and a model against it, without the platform")
    verify.add_argument("files", nargs="+", type=Path, metavar="[MODEL.safetensors] BUNDLE")
    _add_config(verify)
    verify.add_argument("--json", action="store_true", help="for machines")
    verify.set_defaults(command=_lazily("evidence", "verify"))


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("connector.toml"), help="default: connector.toml")


def _lazily(module: str, name: str) -> Command:
    def command(options: argparse.Namespace) -> int:
        import importlib

        function: Command = getattr(importlib.import_module(f"silo_connector.cli.{module}"), name)
        return function(options)

    return command
