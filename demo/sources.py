"""Where the hospitals' records come from: four files in a published wheel, taken out and checked, never imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from demo.hospitals import HOSPITALS
from demo.processes import DemoError

WHEEL = "fedimpute==0.3.0"
FILE_BYTES_MAX = 1 << 20


def fetch(folder: Path, log: Path) -> None:
    """Put the four files into the folder, unless they are there. `DEMO_DATA` names a folder that has them already.

    Raises DemoError when they can't be had, or are not byte for byte what they must be.
    """
    wanted = {hospital.sha256: folder / hospital.file for hospital in HOSPITALS}
    if all(path.is_file() and _sha256(path.read_bytes()) == digest for digest, path in wanted.items()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("DEMO_DATA")
    found = _from_folder(Path(given)) if given else _from_wheel(_download(folder / "wheel", log))
    if missing := [path.name for digest, path in wanted.items() if digest not in found]:
        raise DemoError(f"{given or WHEEL} has not the files expected, by SHA-256: {', '.join(missing)}.", log)
    for digest, path in wanted.items():
        partial = path.with_suffix(".partial")
        partial.write_bytes(found[digest])
        partial.replace(path)
    shutil.rmtree(folder / "wheel", ignore_errors=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _from_folder(folder: Path) -> dict[str, bytes]:
    contents = [path.read_bytes() for hospital in HOSPITALS if (path := folder / hospital.file).is_file()]
    return {_sha256(content): content for content in contents}


def _from_wheel(wheel: Path) -> dict[str, bytes]:
    digests = {hospital.sha256 for hospital in HOSPITALS}
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".data") and entry.file_size <= FILE_BYTES_MAX:
                content = archive.read(entry)
                if (digest := _sha256(content)) in digests:
                    found[digest] = content
    return found


def _download(folder: Path, log: Path) -> Path:
    """The wheel, as pip finds it. Nothing in it is installed or run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        WHEEL,
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False, timeout=300)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise DemoError(f"pip could not download {WHEEL}, which holds the hospitals' records.", log)
    return wheels[0]
