"""The runner's image and service: with these files alone it starts, and it is given nothing that it must not have."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import lock
from silo_connector import config as configuration
from tests.support.patience import FAILS_AFTER_S, attempts
from tests.unit.silo_connector.sites import ROOT

FILES = [ROOT / "silo_connector" / f"docker-compose{part}.yml" for part in ("", ".custom-code")]
PLAIN, OVER = (yaml.safe_load(file.read_text()) for file in FILES)
DOCKERFILE = (ROOT / "silo_connector" / "Dockerfile").read_text()


def service(name: str) -> dict[str, Any]:
    """A service of both files together: the volumes of the second are added to those of the first."""
    first, second = (found["services"].get(name, {}) for found in (PLAIN, OVER))
    return {**first, **second, "volumes": [*first.get("volumes", []), *second.get("volumes", [])]}


def stage(name: str) -> str:
    """The lines of one image, joined where they go on."""
    text = re.split(r"^FROM ", DOCKERFILE, flags=re.M)
    return next(part for part in text if part.splitlines()[0].endswith(f"AS {name}")).replace("\\\n", " ")


def test_the_runner_image_has_no_network_data_or_state() -> None:
    runner = service("runner")
    assert runner["profiles"] == ["custom-code"]
    assert runner["network_mode"] == "none"
    assert runner["read_only"] is True
    assert runner["cap_drop"] == ["ALL"]
    assert runner["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(runner)
    assert [volume.rpartition("}")[2] for volume in runner["volumes"]] == [
        "/connector.toml:/etc/consilience/connector.toml:ro",
        "runner:/run/consilience",
    ]
    assert not {"ports", "environment", "env_file", "secrets", "devices", "privileged"} & set(runner)


def test_trainer_and_runner_share_the_folder_of_the_socket_and_the_relay_does_not() -> None:
    sample = (ROOT / "silo_connector" / "connector.sample.toml").read_text()
    assert 'socket = "/run/consilience/runner.socket"' in sample
    assert "runner:/run/consilience" in service("trainer")["volumes"]
    assert not [volume for volume in service("relay")["volumes"] if "runner" in volume]
    assert set(OVER["services"]) == {"trainer", "runner"}
    assert set(OVER["services"]["trainer"]) == {"volumes"}


def test_its_image_has_torch_and_no_way_to_sign_to_send_or_to_read_data() -> None:
    assert lock.IMAGES["runner"] == {"numpy", "torch"}
    assert re.findall(r"-r (\w+)\.txt", stage("runner-packages")) == ["runner", "cuda"]
    assert "--from=runner-packages" in stage("runner")
    assert stage("runner").startswith("ground AS runner")
    assert "Pygments" in lock.IMAGES["trainer"]


def test_the_sample_s_settings_of_the_runner_are_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "silo_connector" / "connector.sample.toml").read_text()
    head, _, custom = text.partition("# [runner]")
    file = tmp_path / "connector.toml"
    settings = [line[2:] for line in custom.splitlines() if " = " in line]
    file.write_text(head + "[runner]\n" + "\n".join(settings))
    found = configuration.load(file).runner
    assert found is not None
    assert found == configuration.Runner(found.socket)


@pytest.mark.slow
def test_the_runner_starts_with_the_files_of_its_image_alone(tmp_path: Path) -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", stage("runner"), re.M):
        *sources, target = line.split()
        folder = tmp_path / target.removeprefix("/srv/consilience/")
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder, dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, folder)
    (tmp_path / "connector.toml").write_text(
        f'platform_url = "https://p.example"\nplatform_key = "{"0" * 32}"\nspool = "s"\ntrainer_state = "t"\n'
        'relay_state = "r"\n[runner]\nsocket = "run/s"\n'
    )
    arguments = [sys.executable, "-P", "-m", "silo_connector", "run", "runner", "--config", "connector.toml"]
    log = tmp_path / "log"
    with log.open("wb") as stream:
        environment = {"PYTHONPATH": str(tmp_path)}
        runner = subprocess.Popen(arguments, stderr=stream, cwd=tmp_path, env=environment)
    try:
        for _ in attempts("the runner has started"):
            if "runner.started" in log.read_text():
                break
            assert runner.poll() is None, log.read_text()
    finally:
        runner.terminate()
        assert runner.wait(FAILS_AFTER_S) == 0
