"""Four hospitals' real records: the published federated figures, and ours with the same settings.

`exact` repeats the published runs (FLamby, NeurIPS 2022; 15 rounds of 100 local steps, batches of 4): their local loop,
batch by batch from the same seeds, around our aggregation. Every figure has to be equal to the published one.
`ours` runs our own training, aggregation and evaluation with the same settings over many seeds, in this process.
The last line is JSON; the exit code is 1 when a published figure is not met.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from federation.aggregation.aggregate import Contribution, aggregate
from federation.aggregation.combine import COMBINERS
from federation.learning.backend import local_backend_factory
from federation.learning.data import ArrayData
from federation.learning.evaluate import evaluate
from federation.learning.models import parse_model
from federation.learning.specification import parse_local, round_seed
from federation.learning.train import train
from federation.learning.weights import read_flat, unflatten, write_weights
from federation.strategies import parse_strategy
from federation.targets import target_of
from silo_connector.trainer.data import Prepared, load, read_declaration

ROOT = Path(__file__).parents[1]
DECLARATION = ROOT / "silo_connector" / "examples" / "heart-disease.toml"
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
SEEDS = (42, 43, 44, 45, 46)
ROUNDS, LOCAL_STEPS, BATCH_SIZE = 15, 100, 4
NORM_L2_MAX = 1e4
ACCURACY_MIN = 0.72
FAMILY, SPEC = parse_model({"family": "logistic"})
BEGIN = local_backend_factory(FAMILY, SPEC)
TARGET = target_of("binary", 2)
LAYOUT = FAMILY.layout(SPEC, 13, TARGET)


@dataclass(frozen=True)
class Method:
    """A published method: our strategy, and the learning rate of the silos."""

    published: str
    strategy: dict[str, Any]
    learning_rate: float


METHODS = (
    Method("FedAvg100", {"name": "fedavg"}, 0.001),
    Method("FedProx100", {"name": "fedprox", "proximal_mu": 0.01}, 0.001),
    Method("FedAdam100", {"name": "fedadam", "learning_rate": 0.01}, 0.01),
)


def data_folder() -> Path:
    """Where the four files are."""
    return Path(os.environ.get("CONSILIENCE_SHARED", ROOT.parent / "shared")) / "data" / "heart_disease"


def read_hospitals(folder: Path) -> list[Prepared]:
    """The four hospitals' rows, each prepared as its trainer would."""
    declaration = read_declaration(DECLARATION).declaration
    return [load(declaration, folder / f"processed.{hospital}.data") for hospital in HOSPITALS]


def read_pooled_test(folder: Path) -> ArrayData:
    """All test rows, scaled by the training rows of all hospitals together."""
    declared = read_declaration(DECLARATION).declaration
    plain = declared.model_copy(update={"steps": declared.steps[:-1]})
    prepared = [load(plain, folder / f"processed.{hospital}.data") for hospital in HOSPITALS]
    train_rows = np.concatenate([one.train.features for one in prepared]).astype(np.float64)
    test_rows = np.concatenate([one.test.features for one in prepared]).astype(np.float64)
    scaled = (test_rows - train_rows.mean(axis=0)) / (train_rows.std(axis=0, ddof=1) + 1e-9)
    return ArrayData(scaled.astype(np.float32), np.concatenate([one.test.labels for one in prepared]), TARGET)


def published_figures(folder: Path) -> dict[tuple[int, str], dict[str, float]]:
    """Accuracy by seed and method, then by test set."""
    figures: dict[tuple[int, str], dict[str, float]] = {}
    with (folder / "flamby_results_heart_all_seeds.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            figures.setdefault((int(row["seed"]), row["Method"]), {})[row["Test"]] = float(row["Metric"])
    return figures


def _accuracies(model_path: Path, tests: Sequence[ArrayData]) -> list[float]:
    found = [evaluate(model_path, LAYOUT, BEGIN, data, minimum_cell=1).figures["accuracy"] for data in tests]
    return [accuracy for accuracy in found if isinstance(accuracy, float)]


def run_exact(method: Method, seed: int, hospitals: Sequence[Prepared], pooled: ArrayData) -> dict[str, float]:
    """A published run: accuracy by test set."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    start = torch.nn.Linear(13, 1)
    batches = [_Batches(one.train) for one in hospitals]
    torch.manual_seed(seed)
    strategy = parse_strategy(method.strategy)
    combiner, mu = COMBINERS[strategy.combiner], strategy.local_settings.get("proximal_mu", 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state, model_path = None, folder / "start"
        flat = torch.nn.utils.parameters_to_vector(start.parameters()).detach().numpy()
        write_weights(model_path, LAYOUT, unflatten(flat, LAYOUT))
        for _ in range(ROUNDS):
            updates = []
            for hospital, one, source in zip(HOSPITALS, hospitals, batches, strict=True):
                update = _local_steps(read_flat(model_path, LAYOUT), source, method, mu)
                write_weights(folder / hospital, LAYOUT, unflatten(update, LAYOUT))
                updates.append(Contribution(hospital, folder / hospital, len(one.train)))
            done = aggregate(strategy, combiner, model_path, updates, LAYOUT, NORM_L2_MAX, state, folder)
            model_path, state = done.model_path, done.state_path
        accuracies = _accuracies(model_path, [*(one.test for one in hospitals), pooled])
    names = [*(f"client_test_{place}" for place in range(len(hospitals))), "Pooled Test"]
    return dict(zip(names, accuracies, strict=True))


class _Batches:
    """Batches of one hospital without end: torch's shuffling loader, begun again after each pass."""

    def __init__(self, data: ArrayData) -> None:
        rows = torch.utils.data.TensorDataset(torch.from_numpy(data.features), torch.from_numpy(data.labels).float())
        self._loader = torch.utils.data.DataLoader(rows, batch_size=BATCH_SIZE, shuffle=True)
        self._batches: Iterator[list[torch.Tensor]] = iter(self._loader)

    def take(self) -> list[torch.Tensor]:
        """The next batch: features and target."""
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self._loader)
            return next(self._batches)


def _local_steps(flat: NDArray[np.float32], source: _Batches, method: Method, mu: float) -> NDArray[np.float32]:
    """Local steps as published: sigmoid, binary cross-entropy, the proximal term as part of the loss."""
    model = torch.nn.Linear(13, 1, device="meta").to_empty(device="cpu")
    torch.nn.utils.vector_to_parameters(torch.from_numpy(flat.copy()), model.parameters())
    start = [parameter.detach().clone() for parameter in model.parameters()]
    optimiser = torch.optim.SGD(model.parameters(), method.learning_rate)
    for _ in range(LOCAL_STEPS):
        features, target = source.take()
        loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(model(features)), target[:, None])
        if mu:
            pairs = zip(model.parameters(), start, strict=True)
            loss = loss + mu / 2 * torch.stack([(one - other).square().sum() for one, other in pairs]).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    trained: NDArray[np.float32] = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    return trained - flat


def run_ours(method: Method, seed: int, hospitals: Sequence[Prepared], rounds: int = ROUNDS) -> list[float]:
    """A run of our own parts with the published settings: accuracy at each hospital."""
    torch.set_num_threads(1)
    strategy = parse_strategy(method.strategy)
    combiner = COMBINERS[strategy.combiner]
    local = parse_local(
        {
            "steps": LOCAL_STEPS,
            "batch_size": BATCH_SIZE,
            "learning_rate": method.learning_rate,
            **strategy.local_settings,
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state, model_path = None, folder / "start"
        write_weights(model_path, LAYOUT, FAMILY.initial(SPEC, 13, TARGET, seed))
        for number in range(rounds):
            updates = []
            for hospital, one in zip(HOSPITALS, hospitals, strict=True):
                shuffle = round_seed(seed, hospital, number)
                result = train(model_path, LAYOUT, BEGIN, one.train, local, shuffle, folder / hospital)
                updates.append(Contribution(hospital, folder / hospital, result.rows))
            done = aggregate(strategy, combiner, model_path, updates, LAYOUT, NORM_L2_MAX, state, folder)
            model_path, state = done.model_path, done.state_path
        return _accuracies(model_path, [one.test for one in hospitals])


def over_rows(accuracies: Sequence[float], hospitals: Sequence[Prepared]) -> float:
    """Right answers over rows, all hospitals together, each scaled by its own training rows."""
    rows = [len(one.test) for one in hospitals]
    return float(np.average(accuracies, weights=rows))


def main() -> int:
    """Run both parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds of our own runs")
    arguments = parser.parse_args()
    hospitals, pooled = read_hospitals(arguments.data), read_pooled_test(arguments.data)
    published = published_figures(arguments.data)
    report: dict[str, Any] = {"exact": {}, "ours": {}, "published_over_rows": {}}
    clients = [f"client_test_{place}" for place in range(len(HOSPITALS))]
    for method in METHODS:
        equal = []
        for seed in SEEDS:
            found, expected = run_exact(method, seed, hospitals, pooled), published[seed, method.published]
            wrong = {
                name: (found[name], expected[name]) for name in expected if abs(found[name] - expected[name]) > 1e-9
            }
            equal.append(not wrong)
            print(f"exact {method.published:<11} seed {seed}: {wrong if wrong else 'equal'}", flush=True)
        report["exact"][method.published] = f"{sum(equal)}/{len(equal)} seeds equal"
        ours = []
        for seed in range(arguments.seeds):
            ours.append(over_rows(run_ours(method, seed, hospitals), hospitals))
            print(f"ours  {method.published:<11} seed {seed}: {ours[-1]:.4f} right over rows", flush=True)
        report["ours"][method.published] = {
            "mean": round(statistics.mean(ours), 4),
            "min": round(min(ours), 4),
            "max": round(max(ours), 4),
            "seeds": len(ours),
        }
        theirs = [over_rows([published[seed, method.published][name] for name in clients], hospitals) for seed in SEEDS]
        report["published_over_rows"][method.published] = round(statistics.mean(theirs), 4)
    report["ok"] = (
        all(text.startswith(f"{len(SEEDS)}/") for text in report["exact"].values())
        and report["ours"]["FedAdam100"]["mean"] >= ACCURACY_MIN
    )
    print(json.dumps(report))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
