"""What the images and compose files are made of: hashes, digests, roles, queues. They are read, not built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.coordinator import NOTIFICATIONS, QUEUES
from demo.services import ROOT
from deploy import lock
from tests.support.every import every

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DIGESTS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.digests.yml").read_text())
SILO, CUSTOM, GPU = (
    yaml.safe_load((ROOT / "silo_connector" / f"docker-compose{part}.yml").read_text())
    for part in ("", ".custom-code", ".gpu")
)
NGINX = (ROOT / "deploy" / "nginx" / "consilience.conf").read_text()
WORKERS = ("rounds", "aggregation", "housekeeping")
DOCKERFILES = ("deploy/Dockerfile", "silo_connector/Dockerfile")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def queues_of(service: str) -> str:
    command: list[str] = COMPOSE["services"][service]["command"]
    return command[command.index("-Q") + 1]


def secrets_of(service: str) -> set[str]:
    return set(COMPOSE["services"][service].get("secrets", COMPOSE["x-platform"]["secrets"]))


def test_locks_are_of_these_requirements() -> None:
    assert lock.check() == []


def test_a_lock_that_is_stale_or_lacks_hashes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in lock.LOCKS.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(lock, "LOCKS", tmp_path)
    monkeypatch.setattr(lock, "_shown", lambda path: path.name)
    relay = tmp_path / "relay.txt"
    whole = relay.read_text()
    assert lock.check() == []
    for changed, reported_value in (
        (whole.replace("aiohttp==", "aiohttp==9.", 1), "relay.txt has not aiohttp=="),
        (re.sub(r" \\\n    --hash=\S+", "", whole), "relay.txt: hashes of"),
        (whole.replace("# requirements sha256:", "# requirements sha256:0", 1), "is not of these requirements"),
        (whole.replace("multidict==", "multidict==9.", 1), ""),
        ("", "is not of these requirements"),
    ):
        relay.write_text(changed)
        assert reported_value in " ".join(lock.check())
    relay.write_text(whole)
    runner = tmp_path / "runner.txt"
    one = re.sub(r"(?m)^(torch==.*\n)(    --hash=\S+) \\\n(    --hash=.*\n)+", r"\1\2\n", runner.read_text())
    runner.write_text(one)
    assert "hashes of torch are missing" in " ".join(lock.check())


def test_torch_is_locked_with_the_wheels_of_both_kinds() -> None:
    """The CPU wheel's hash is that of torch 2.13.0+cpu for CPython 3.11 on x86-64."""
    cpu = "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
    for image in ("trainer", "runner"):
        version, hashes = lock.pins((lock.LOCKS / f"{image}.txt").read_text())["torch"]
        assert version == "2.13.0"
        assert cpu in hashes
        assert len(hashes) > 2
    cuda = lock.pins((lock.LOCKS / "cuda.txt").read_text())
    assert {"nvidia-cublas", "triton"} <= set(cuda)
    assert all(hashes for _, hashes in cuda.values())


@pytest.mark.parametrize("path", DOCKERFILES)
def test_images_install_nothing_without_its_hash(path: str) -> None:
    text = (ROOT / path).read_text()
    installs = re.findall(r"pip install[^\n]*", text)
    assert installs
    for line in every(installs):
        assert "--require-hashes --no-deps" in line
        assert "requirements.txt" not in line
    assert re.findall(r"^FROM (\S+)", text, re.M)[0] == "${PYTHON_IMAGE}"


def test_every_image_of_others_has_a_digest_in_the_override() -> None:
    images = {name: one["image"] for name, one in COMPOSE["services"].items()}
    others = {name: image for name, image in images.items() if not image.startswith("consilience-")}
    assert set(others) == {"postgres", "redis"}
    for name, image in every(others.items()):
        pinned = DIGESTS["services"][name]["image"]
        assert pinned.startswith(f"{image}@${{{name.upper()}_DIGEST:?")
    for name in every(builders(COMPOSE)):
        assert "@${PYTHON_DIGEST:?" in DIGESTS["services"][name]["build"]["args"]["PYTHON_IMAGE"]
    assert set(DIGESTS["services"]) == set(others) | set(builders(COMPOSE))


def builders(compose: dict[str, Any]) -> list[str]:
    """The services that build what they run."""
    return [name for name, one in compose["services"].items() if "build" in one]


def test_the_platform_s_image_is_built_once_and_each_of_the_connector_s_from_its_own_target() -> None:
    assert builders(COMPOSE) == ["migrate"]
    running = {name for name, one in COMPOSE["services"].items() if one["image"] == "consilience-platform"}
    assert running == {"migrate", "web", *WORKERS, "notifications", "beat"}
    for name in every(running - {"migrate"}):
        assert "migrate" in COMPOSE["services"][name]["depends_on"]
    services = SILO["services"] | {"runner": CUSTOM["services"]["runner"]}
    for name, one in every(services.items()):
        assert (one["image"], one["build"]["target"]) == (f"consilience-{name}", name)


def test_compose_and_the_sample_speak_the_same_names() -> None:
    """Every name in `.env.sample` reaches the platform, but for what the secrets' files and the image decide."""
    text = "\n".join(line for line in (ROOT / "docker-compose.yml").read_text().splitlines() if "#" not in line)
    taken = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    environment = COMPOSE["x-platform"]["environment"]
    taken |= {name for name, value in environment.items() if value is None}
    sample = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.sample").read_text(), re.M))
    assert taken <= sample
    fixed = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "BLOB_ROOT", "PLATFORM_PUBLIC_KEY_FILE"}
    fixed |= {"PLATFORM_SIGNING_KEY_FILE", "STATIC_ROOT", "DEBUG", "BEHIND_TLS_PROXY"}
    assert sample - taken == fixed
    assert {"WEB_PORT", "PUBLIC_URL"} <= taken


def test_trimming_an_image_takes_only_what_is_named(tmp_path: Path) -> None:
    """A folder that is called tests or include is no reason: another package may run what lies there."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    stays = [
        "fsspec/tests/abstract/copy.py",
        "lib/test/a.py",
        "numpy/_core/tests/__init__.py",
        "numpy/_core/tests/_natype.py",
        "numpy/core.py",
        "other/a.pyi",
        "torch/_inductor/include/a.h",
        "torch/bin/torch_shm_manager",
        "torch/testing/_comparison.py",
        "torch-2.0.dist-info/LICENSE",
    ]
    goes = [
        "numpy/__init__.pyi",
        "numpy/_core/tests/test_a.py",
        "pyarrow/include/arrow/a.h",
        "pyarrow/tests/data/a.orc",
        "sympy/core/tests/test_a.py",
        "torch/bin/protoc",
        "torch/include/a.h",
        "torch/lib/a.a",
        "torch/test/cpp/a",
    ]
    for name in (*stays, *goes):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("")
    subprocess.run(["sh", str(ROOT / "deploy" / "trim"), "packages", str(tmp_path)], check=True)
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == set(stays)
    assert not (site / "sympy" / "core" / "tests").exists()


def test_torch_is_for_cpus_unless_the_override_for_gpus_is_laid_over() -> None:
    dockerfile = (ROOT / "silo_connector" / "Dockerfile").read_text()
    assert re.findall(r"^ARG TORCH_INDEX=(.*)$", dockerfile, re.M) == ["https://download.pytorch.org/whl/cpu"]
    trainer = GPU["services"]["trainer"]
    assert trainer["build"]["args"] == {"TORCH_INDEX": ""}
    assert trainer["image"] != SILO["services"]["trainer"]["image"]
    assert set(GPU["services"]) == {"trainer"}


@pytest.mark.parametrize(
    ("directive", "name"),
    [
        ("client_header_timeout", "REQUEST_HEAD_WITHIN_S"),
        ("client_body_timeout", "REQUEST_BODY_WINDOW_S"),
        ("send_timeout", "RESPONSE_UNREAD_S"),
        ("limit_conn consilience_addresses", "CONNECTIONS_PER_ADDRESS_MAX"),
    ],
)
def test_the_proxy_s_bounds_are_those_of_web(directive: str, name: str) -> None:
    (found,) = re.findall(rf"^ +{directive} (\d+)s?;", NGINX, re.M)
    (default,) = re.findall(rf"^#{name}=(\d+)$", (ROOT / ".env.sample").read_text(), re.M)
    assert found == default


def test_the_proxy_lets_uploads_streams_and_long_polls_through_and_believes_no_client() -> None:
    sample = (ROOT / ".env.sample").read_text()
    (upload,) = re.findall(r"^#UPLOAD_BYTES_MAX=(\d+)$", sample, re.M)
    (poll,) = re.findall(r"^#LONG_POLL_MAX_S=(\d+)$", sample, re.M)
    assert int(re.findall(r"client_max_body_size (\d+)m;", NGINX)[0]) * 2**20 > int(upload)
    assert int(re.findall(r"proxy_read_timeout (\d+)s;", NGINX)[0]) > int(poll)
    for line in (
        "proxy_buffering off;",
        "proxy_request_buffering off;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
    ):
        assert line in NGINX
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in NGINX
    assert "$proxy_add_x_forwarded_for" not in NGINX


@pytest.mark.parametrize("reported_value", [f"postgres@{DIGEST}", "", "postgres@sha256:short"])
def test_pinning_writes_whole_digests_or_nothing(tmp_path: Path, reported_value: str) -> None:
    """With a stand-in for docker, which no test may need."""
    folder, programs = tmp_path / "deploy", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    script = folder / "pin-images"
    script.write_text((ROOT / "deploy" / "pin-images").read_text())
    docker = programs / "docker"
    docker.write_text(f"#!/bin/sh\n[ \"$1\" = image ] && echo '{reported_value}'\nexit 0\n")
    docker.chmod(0o755)
    given = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", str(script)], env=given, capture_output=True, text=True, check=False)
    wrote = folder / "images.env"
    if DIGEST in reported_value:
        assert done.returncode == 0, done.stderr
        assert wrote.read_text().splitlines() == [f"{name}_DIGEST={DIGEST}" for name in ("PYTHON", "POSTGRES", "REDIS")]
    else:
        assert done.returncode == 1
        assert not wrote.exists()
    assert {path.name for path in folder.iterdir()} <= {"pin-images", "images.env"}


def test_notifications_have_a_queue_and_a_process_of_their_own() -> None:
    """What waits for other people's servers never holds a round."""
    assert queues_of("notifications") == NOTIFICATIONS
    assert NOTIFICATIONS not in QUEUES.split(",")


def test_each_queue_has_a_worker_of_its_own_that_says_whether_it_answers() -> None:
    assert set(WORKERS) == set(QUEUES.split(","))
    operator = (ROOT / "docs" / "operator.md").read_text()
    for queue in (*WORKERS, NOTIFICATIONS):
        assert queues_of(queue) == queue
        assert f"-Q {queue} " in operator
        assert "inspect ping -d celery@$$HOSTNAME" in COMPOSE["services"][queue]["healthcheck"]["test"][1]


def test_only_what_migrates_owns_the_tables_and_only_workers_sign() -> None:
    running = set(COMPOSE["services"]) - {"postgres", "redis", "migrate"}
    for service in every(running):
        assert not secrets_of(service) & {"owner_database_url", "postgres_password", "app_password"}, service
        environment = COMPOSE["services"][service].get("environment", COMPOSE["x-platform"]["environment"])
        assert environment["DATABASE_URL_FILE"] == "/run/secrets/database_url"
    assert {service for service in running if "platform.key" in secrets_of(service)} == set(WORKERS)
    migrate = COMPOSE["services"]["migrate"]
    assert "database_url" not in secrets_of("migrate")
    assert migrate["environment"]["DATABASE_URL_FILE"] == "/run/secrets/owner_database_url"
    assert migrate["command"][2:4] == ["migrate_and_grant", "consilience_app"]


def test_secrets_are_made_once_and_of_both_roles(tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    folder.mkdir()
    script = folder / "make-secrets"
    script.write_text((ROOT / "deploy" / "make-secrets").read_text())
    for _ in range(2):
        subprocess.run(["bash", str(script)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert set(COMPOSE["secrets"]) == set(made)
    password = made["app_password"].strip()
    assert made["database_url"].strip() == f"postgresql://consilience_app:{password}@postgres:5432/consilience"
    assert made["owner_database_url"].startswith("postgresql://consilience:")
    assert password not in made["owner_database_url"]


def test_the_check_runs_by_itself() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "deploy" / "lock.py"), "--check"], check=False, cwd="/")
    assert done.returncode == 0
