"""How long it takes to check a job's evidence offline: `python -m benchmarks.evidence` prints one line of JSON.

The job's events lie in a log with as many events of other jobs; their proofs, the heads that silos have countersigned
and the closing evaluation are in the bundle and are checked.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from federation.evidence import bundle_parser
from federation.evidence.bundles import write_bundle
from federation.verify import check
from tests.support.evidence import Played

LIMIT_S = 5.0


def main() -> int:
    """Make a bundle, check it, report how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--silos", type=int, default=20)
    options = parser.parse_args()
    entries = Played(options.silos, options.rounds).entries(options.rounds)
    of_log = (bundle_parser.EVENTS, bundle_parser.CONSISTENCY, bundle_parser.COUNTERSIGNED, bundle_parser.CHECKPOINT)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "evidence.jsonl"
        with bundle.open("wb") as stream:
            stream.writelines(write_bundle(entries))
        started, processor = time.perf_counter(), time.process_time()
        report = check(bundle)
        by_name = {
            "verify_s": round(time.perf_counter() - started, 2),
            "processor_s": round(time.process_time() - processor, 2),
            "limit_s": LIMIT_S,
            "kbytes": bundle.stat().st_size // 1000,
            "kbytes_of_the_log": sum(len(one.content) for one in entries if one.name.startswith(of_log)) // 1000,
        }
    faults = [fault.code for fault in (*report.faults, *report.limits)][:3]
    print(json.dumps({**by_name, "checked": report.checked, "faults": faults}))
    return 0 if report.holds and by_name["verify_s"] < LIMIT_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
