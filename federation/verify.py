"""``python -m federation.verify BUNDLE``: checks a job's evidence offline, without the platform, trusting it nowhere.

With a model before the bundle (``MODEL.safetensors BUNDLE``) it also says of which round, manifest and agreement the
weights are. The status is 0 when everything holds, 1 when something does not, 2 when there is nothing to check, and 3
when nothing is wrong but less is bound than could be: the job goes on, too few silos have countersigned its events, or
the bundle is of protocol 1.0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from federation.errors import FederationError
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import LINE_BYTES_MAX, read_bundle
from federation.evidence.own_orders import OwnOrder
from federation.evidence.report import Fault, Report, Verdict
from federation.evidence.verification import verify_evidence
from federation.plans.unicode_safety import is_hidden
from federation.protocol.digests import digest_stream
from federation.protocol.tree_heads import TreeHead

_CONCLUSIONS = {
    Verdict.HOLDS: "Everything holds.",
    Verdict.FAILS: "Faults: {faults}. This is not evidence.",
    Verdict.LIMITED: "Nothing is wrong, but this is limited evidence: see what it does not show.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(prog="federation.verify", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="[MODEL.safetensors] BUNDLE", type=Path)
    parser.add_argument("--platform-key", help="the platform key's fingerprint as you know it from elsewhere")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)
    if len(options.files) > 2:
        parser.error("one bundle, and at most one model before it")
    *models, bundle = options.files
    try:
        report = check(bundle, models[0] if models else None, options.platform_key)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print_report(report, as_json=options.json)
    return report.verdict.value


def check(
    bundle: Path,
    model: Path | None = None,
    pinned: str | None = None,
    kept: Mapping[str, Collection[TreeHead]] | None = None,
    given_up: Mapping[str, Collection[TreeHead]] | None = None,
    own: Mapping[str, Collection[OwnOrder]] | None = None,
) -> Report:
    """Check a bundle, and a model against it. Raises OSError for what can't be read.

    `kept`, `given_up` and `own` are what who asks has seen, as `verify_evidence` says.
    """
    try:
        with bundle.open("rb") as stream:
            evidence = gather(read_bundle(iter(partial(stream.readline, LINE_BYTES_MAX + 1), b"")))
    except FederationError as error:
        return Report(faults=[Fault(bundle.name, error.code, error.message)])
    report = verify_evidence(evidence, None if pinned is None else " ".join(pinned.split()), kept, given_up, own)
    if model is not None:
        with model.open("rb") as stream:
            digest = digest_stream(stream)
        if digest in report.models or digest in report.passports:
            _bind(digest, report)
        else:
            message_text = f"Its digest is {digest}; no order of this job that holds has sent out such a model."
            report.faults.append(Fault(model.name, "model.not_in_bundle", message_text))
    return report


def _bind(digest: str, report: Report) -> None:
    """Say which weights these are: by their passport, or by the orders that sent them out."""
    passport = report.passports.get(digest)
    report.checked["the model stood after round"] = report.models[digest] if passport is None else passport.round
    if passport is not None:
        report.checked["answers that it was made from"] = len(passport.participants)


def print_report(report: Report, *, as_json: bool = False) -> None:
    """Print what was found."""
    if as_json:
        by_name = {
            "holds": report.holds,
            "verdict": report.verdict.name.lower(),
            "job": report.job_id,
            "ended": report.ended,
            "agreement": report.agreement,
            "members": report.members,
            "manifest": report.manifest,
            "platform_key": report.platform_key,
            "checked": report.checked,
            "released": list(report.released),
            "faults": [asdict(fault) for fault in report.faults],
            "limits": [asdict(limit) for limit in report.limits],
        }
        print(json.dumps(by_name))
        return
    if report.agreement:
        print(f"Job        {report.job_id}{f' ({report.ended})' if report.ended else ''}")
        print(f"Agreement  {report.agreement}")
        for name, fingerprint in report.members.items():
            print(f"  member   {_plain(name)}: {fingerprint}")
        print("           (compare the keys with those that the members themselves tell you)")
        print(f"Manifest   {report.manifest}")
        print(f"Platform   {report.platform_key}   (compare it with the one that you know)")
        for what, count in report.checked.items():
            print(f"  {what}: {count}")
    for line in report.released:
        print(_plain(f"  released: {line}"))
    for fault in report.faults:
        print(_plain(f"FAIL {fault.where}: {fault.what}  [{fault.code}]"))
    for limit in report.limits:
        print(_plain(f"LESS {limit.where}: {limit.what}  [{limit.code}]"))
    print(_CONCLUSIONS[report.verdict].format(faults=len(report.faults)))


def _plain(text: str) -> str:
    """A bundle's words, none of which may move the cursor of who reads them or hide what was found."""
    return "".join(f"\\u{ord(one):04x}" if is_hidden(one) or one == "\n" else one for one in text)


if __name__ == "__main__":
    sys.exit(main())
