"""Memory and GPUs are read where Linux and its containers report them."""

from __future__ import annotations

from pathlib import Path

from silo_connector.trainer.resources import Resources, resources


def machine(folder: Path, meminfo: str = "MemTotal: 1000 kB\nMemAvailable:   400 kB\nHugePages_Total: 0\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meminfo").write_text(meminfo)
    return folder


def test_the_machine_s_memory_where_nothing_bounds_it(tmp_path: Path) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.mkdir()
    (cgroup / "memory.max").write_text("max\n")
    reported = resources(machine(tmp_path / "proc"), cgroup)
    assert reported == Resources(memory_total_bytes=1_024_000, memory_free_bytes=409_600)


def test_a_container_s_limit_counts_where_it_is_tighter(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path / "proc"), tmp_path / "cgroup"
    cgroup.mkdir()
    (cgroup / "memory.max").write_text("500000\n")
    (cgroup / "memory.current").write_text("300000\n")
    reported = resources(proc, cgroup)
    assert (reported.memory_total_bytes, reported.memory_free_bytes) == (500_000, 200_000)
    (cgroup / "memory.current").write_text("600000\n")
    assert resources(proc, cgroup).memory_free_bytes == 0
    (cgroup / "memory.max").write_text("99999999999\n")
    assert resources(proc, cgroup).memory_total_bytes == 1_024_000


def test_gpus_by_the_driver_s_names(tmp_path: Path) -> None:
    proc = machine(tmp_path / "proc")
    for bus, text in (("0000:01:00.0", "Model: \t\t NVIDIA A100\nIRQ: 1\n"), ("0000:02:00.0", "IRQ: 2\n")):
        folder = proc / "driver" / "nvidia" / "gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(text)
    assert resources(proc, tmp_path).gpus == ("NVIDIA A100", "GPU")


def test_nothing_to_read_is_not_notified(tmp_path: Path) -> None:
    assert resources(tmp_path / "none", tmp_path / "none") == Resources()
