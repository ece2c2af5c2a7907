"""The relay's image: with its files alone the relay, its commands and its reading of connector.toml can be loaded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.sites import ROOT
from tests.unit.silo_connector.test_runner_image import stage

CODE = """
import importlib, pkgutil, sys
sys.meta_path[:] = [one for one in sys.meta_path if "Editable" not in str(one)]  # they find what the image has not got
from pathlib import Path
import silo_connector.relay
for found in pkgutil.iter_modules(silo_connector.relay.__path__):
    importlib.import_module(f"silo_connector.relay.{found.name}")
from silo_connector.cli import doctor, enrolment, run
from silo_connector import config
assert Path(config.__file__).is_relative_to(Path.cwd())
print(config.load(Path("connector.toml")).platform_host)
"""


def test_the_relay_loads_with_the_files_of_its_image_alone(tmp_path: Path) -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", stage("relay"), re.M):
        *sources, target = line.split()
        folder = tmp_path / target.removeprefix("/srv/consilience/")
        for source in (one for pattern in sources for one in ROOT.glob(pattern)):
            if source.is_dir():
                shutil.copytree(source, folder, dirs_exist_ok=True)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder)
    (removed,) = re.findall(r"^RUN rm -r (.+)$", stage("relay"), re.M)
    for folder in removed.split():
        shutil.rmtree(tmp_path / folder.removeprefix("/srv/consilience/"))
    (tmp_path / "connector.toml").write_text(
        f'platform_url = "https://p.example"\nplatform_key = "{"0" * 32}"\nspool = "s"\ntrainer_state = "t"\n'
        'relay_state = "r"\n'
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", CODE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        timeout=FAILS_AFTER_S,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "p.example\n"
