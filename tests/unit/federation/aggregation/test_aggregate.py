"""A whole aggregation: the good updates count, the others are named, and files are whole or absent."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from federation.aggregation.aggregate import Aggregation, Contribution, NothingAcceptedError, Rejected, aggregate
from federation.aggregation.combine.weighted_mean import COMBINER
from federation.errors import Invalid
from federation.learning.weights import read_flat
from federation.protocol.digests import digest_file
from federation.strategies import parse_strategy
from tests.unit.federation.aggregation.conftest import LAYOUT, put, put_all, vector


@pytest.fixture
def out_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def global_path(tmp_path: Path) -> Path:
    return put(tmp_path / "global", vector(99))


def run(
    global_path: Path, paths: list[Path], out_dir: Path, *, name: str = "fedavg", state_path: Path | None = None
) -> Aggregation:
    updates = [Contribution(f"silo-{place}", path, 10.0 + place) for place, path in enumerate(paths)]
    return aggregate(parse_strategy({"name": name}), COMBINER, global_path, updates, LAYOUT, 1e3, state_path, out_dir)


def test_good_updates_all_count(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    flats = [vector(seed) for seed in range(3)]
    done = run(global_path, put_all(tmp_path, flats), out_dir)
    expected = vector(99) + np.average(np.array(flats, dtype=np.float64), axis=0, weights=[10, 11, 12])
    np.testing.assert_allclose(read_flat(done.model_path, LAYOUT), expected, rtol=1e-6, atol=1e-6)
    assert done.model_digest == digest_file(done.model_path)
    assert done.model_size_bytes == done.model_path.stat().st_size
    assert [one.key for one in done.accepted] == ["silo-0", "silo-1", "silo-2"]
    assert done.rejected == ()
    assert done.state_path is None
    assert done.state_digest is None
    assert list(out_dir.iterdir()) == [done.model_path]


def test_bad_updates_do_not_change_a_bit_of_the_result(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    flats = [vector(seed) for seed in range(6)]
    flats[1][-1] = np.nan
    flats[3] *= np.float32(1e6)
    paths = put_all(tmp_path, flats)
    paths[4].write_bytes(b"not a tensor file")
    done = run(global_path, paths, out_dir)
    assert [one.key for one in done.accepted] == ["silo-0", "silo-2", "silo-5"]
    assert {one.key: one.code for one in done.rejected} == {
        "silo-1": "update.not_finite",
        "silo-3": "update.norm_exceeded",
        "silo-4": "update.header",
    }
    good = [Contribution(str(place), paths[place], 10.0 + place) for place in (0, 2, 5)]
    alone = aggregate(parse_strategy({"name": "fedavg"}), COMBINER, global_path, good, LAYOUT, 1e3, None, out_dir)
    assert alone.model_digest == done.model_digest
    assert [one.norm_l2 for one in alone.accepted] == [one.norm_l2 for one in done.accepted]


def test_a_bad_update_does_not_touch_the_state(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    flats = [vector(1), vector(2)]
    flats[1][0] = np.inf
    paths = put_all(tmp_path, flats)
    both = run(global_path, paths, out_dir, name="fedadam")
    alone = run(global_path, paths[:1], out_dir, name="fedadam")
    assert both.state_digest == alone.state_digest
    assert both.state_path is not None
    assert both.state_digest == digest_file(both.state_path)
    again = run(global_path, paths[:1], out_dir, name="fedadam", state_path=both.state_path)
    assert again.model_digest != alone.model_digest


def test_the_same_round_again_gives_the_same_digests(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    paths = put_all(tmp_path, [vector(seed) for seed in range(4)])
    one, other = (run(global_path, paths, out_dir, name="fedadam") for _ in range(2))
    assert (one.model_digest, one.state_digest) == (other.model_digest, other.state_digest)
    assert one.model_path != other.model_path


@pytest.mark.parametrize("weight", [0.0, -3.0, math.nan, math.inf])
def test_an_update_without_a_weight_is_rejected_alone(
    tmp_path: Path, global_path: Path, out_dir: Path, weight: float
) -> None:
    paths = put_all(tmp_path, [vector(1), vector(2)])
    updates = [Contribution("good", paths[0], 5.0), Contribution("bad", paths[1], weight)]
    done = aggregate(parse_strategy({"name": "fedavg"}), COMBINER, global_path, updates, LAYOUT, 1e3, None, out_dir)
    assert [one.key for one in done.accepted] == ["good"]
    assert [(one.key, one.code) for one in done.rejected] == [("bad", "update.weight")]


def test_when_nothing_is_good_there_is_no_model_and_no_file(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    bad = vector(1)
    bad[0] = np.nan
    with pytest.raises(NothingAcceptedError) as caught:
        run(global_path, put_all(tmp_path, [bad, vector(2, scale=1e9)]), out_dir, name="fedadam")
    assert [one.code for one in caught.value.rejected] == ["update.not_finite", "update.norm_exceeded"]
    assert isinstance(caught.value.rejected[0], Rejected)
    assert list(out_dir.iterdir()) == []


def test_without_updates_there_is_no_model(global_path: Path, out_dir: Path) -> None:
    with pytest.raises(NothingAcceptedError) as caught:
        run(global_path, [], out_dir)
    assert caught.value.rejected == ()


def test_a_broken_global_model_is_the_platforms_own_fault(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    global_path.write_bytes(global_path.read_bytes()[:-1])
    with pytest.raises(Invalid) as caught:
        run(global_path, put_all(tmp_path, [vector(1)]), out_dir)
    assert caught.value.code == "tensors.truncated"
    assert list(out_dir.iterdir()) == []


def test_where_no_update_is_there_it_is_no_verdict_on_the_silos(
    tmp_path: Path, global_path: Path, out_dir: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        run(global_path, [tmp_path / "gone", tmp_path / "gone too"], out_dir)
    assert list(out_dir.iterdir()) == []


def test_one_missing_update_is_rejected_alone(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    there = put_all(tmp_path, [vector(1), vector(2)])
    result = run(global_path, [there[0], tmp_path / "gone", there[1]], out_dir)
    assert [(one.key, one.code) for one in result.rejected] == [("silo-1", "update.missing")]
    assert [one.key for one in result.accepted] == ["silo-0", "silo-2"]


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, global_path: Path, out_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    paths = put_all(tmp_path, [vector(1)])
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        run(global_path, paths, out_dir, name="fedadam")
    assert list(out_dir.iterdir()) == []


def test_aggregation_closes_all_its_files(tmp_path: Path, global_path: Path, out_dir: Path) -> None:
    bad = vector(1)
    bad[0] = np.nan
    before = _open_files()
    paths = put_all(tmp_path, [vector(1), bad, vector(3)])
    paths[2].write_bytes(b"")
    run(global_path, paths, out_dir, name="fedadam")
    assert _open_files() == before


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
