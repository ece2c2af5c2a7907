"""How long it takes to check a job's evidence offline: `python -m benchmarks.evidence` prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from federation.evidence.bundles import write_bundle
from federation.verify import check
from tests.support.evidence import Played

LIMIT_S = 5.0


def main() -> int:
    """Make a bundle, check it, tell how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--silos", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "evidence.jsonl"
        with bundle.open("wb") as stream:
            stream.writelines(write_bundle(Played(options.silos, options.rounds).entries(options.rounds)))
        started = time.perf_counter()
        report = check(bundle)
        took_s = time.perf_counter() - started
        told = {"verify_s": round(took_s, 2), "limit_s": LIMIT_S, "kbytes": bundle.stat().st_size // 1000}
    print(json.dumps({**told, "checked": report.checked, "faults": [fault.code for fault in report.faults][:3]}))
    return 0 if report.holds and took_s < LIMIT_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
