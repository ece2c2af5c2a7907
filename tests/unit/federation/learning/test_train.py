"""Local training: the update is what plain torch would give, repeatable, and held near the start by FedProx."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from federation.errors import Invalid, Stopped
from federation.learning.data import ArrayData
from federation.learning.specification import parse_local
from federation.learning.train import TrainingResult, train
from federation.learning.weights import read_flat, read_weights, write_weights
from federation.protocol.digests import digest_file
from federation.targets import target_of
from tests.unit.federation.learning.conftest import Start, blobs, make_start

DATA = blobs(50)


def run(
    start: Start, data: ArrayData = DATA, *, seed: int = 7, **local: Any
) -> tuple[TrainingResult, NDArray[np.float32]]:
    out = start.path.with_name("update")
    settings = parse_local({"steps": 20, "batch_size": 8, "learning_rate": 0.1, **local})
    result = train(start.path, start.layout, start.begin, data, settings, seed, out)
    return result, read_flat(out, start.layout)


def test_the_update_and_its_figures_agree(logistic: Start) -> None:
    result, update = run(logistic)
    out = logistic.path.with_name("update")
    assert (result.rows, result.steps) == (50, 20)
    assert result.update_norm_l2 == pytest.approx(float(np.linalg.norm(update.astype(np.float64))), rel=1e-12)
    assert result.update_digest == digest_file(out)
    assert result.update_size_bytes == out.stat().st_size
    assert set(result.phases_s) == {"load", "train", "write"}
    assert all(seconds >= 0 for seconds in result.phases_s.values())


@pytest.mark.parametrize(
    "local",
    [
        {},
        {"epochs": 3, "steps": None},
        {"momentum": 0.9},
        {"weight_decay": 0.1},
        {"optimiser": "adam", "learning_rate": 0.01},
        {"optimiser": "adam", "weight_decay": 0.1},
        {"batch_size": 64},
    ],
)
def test_the_update_is_that_of_a_plain_torch_loop(logistic: Start, local: dict[str, Any]) -> None:
    _, update = run(logistic, **local)
    settings = parse_local({"steps": 20, "batch_size": 8, "learning_rate": 0.1, **local})
    model = torch.nn.Linear(4, 1)
    weights = read_weights(logistic.path, logistic.layout)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(weights["linear.weight"]))
        model.bias.copy_(torch.from_numpy(weights["linear.bias"]))
    if settings.optimiser == "adam":
        optimiser: torch.optim.Optimizer = torch.optim.Adam(
            model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
    else:
        optimiser = torch.optim.SGD(
            model.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )
    generator = np.random.Generator(np.random.PCG64(7))
    order: list[int] = []
    for _ in range(settings.steps_for(50)):
        if not order:
            order = list(generator.permutation(50))
        batch, order = order[: settings.batch_size], order[settings.batch_size :]
        optimiser.zero_grad()
        logits = model(torch.from_numpy(DATA.features[batch])).squeeze(1)
        torch.nn.BCEWithLogitsLoss()(logits, torch.from_numpy(DATA.labels[batch]).float()).backward()
        optimiser.step()
    expected = torch.cat([model.weight.detach().ravel(), model.bias.detach()]).numpy() - read_flat(
        logistic.path, logistic.layout
    )
    np.testing.assert_array_equal(update, expected)


def test_every_row_is_seen_once_a_pass(logistic: Start) -> None:
    """With one step over all rows, the order of the rows can't matter beyond rounding."""
    _, one = run(logistic, steps=1, batch_size=50, seed=1)
    _, other = run(logistic, steps=1, batch_size=50, seed=2)
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(logistic: Start) -> None:
    first, _ = run(logistic)
    second, _ = run(logistic)
    other, _ = run(logistic, seed=8)
    assert first.update_digest == second.update_digest != other.update_digest
    assert first.train_loss == second.train_loss


def test_the_global_model_is_left_as_it_was(logistic: Start) -> None:
    before = digest_file(logistic.path)
    run(logistic)
    assert digest_file(logistic.path) == before


@pytest.mark.parametrize(
    ("data", "n_classes", "accuracy"),
    [({"family": "softmax"}, 3, 0.75), ({"family": "mlp", "hidden": [16, 8], "activation": "tanh"}, 3, 0.75)],
)
def test_every_model_family_lowers_its_loss(
    tmp_path: Path, data: dict[str, Any], n_classes: int, accuracy: float
) -> None:
    rows = blobs(300, n_classes=n_classes)
    start = make_start(tmp_path, data, n_classes=n_classes)
    out = tmp_path / "update"
    local = parse_local({"epochs": 20, "batch_size": 16, "learning_rate": 0.1})
    first = train(start.path, start.layout, start.begin, rows, parse_local({"steps": 1}), 1, out)
    result = train(start.path, start.layout, start.begin, rows, local, 1, out)
    assert result.train_loss < first.train_loss
    update = read_weights(out, start.layout)
    weights = read_weights(start.path, start.layout)
    module = start.family.build(start.spec, 4, target_of(None, n_classes))
    module.load_state_dict({name: torch.from_numpy(weights[name] + update[name]) for name in weights})
    predicted = module(torch.from_numpy(rows.features)).argmax(1).numpy()
    assert np.mean(predicted == rows.labels) > accuracy


def test_one_class_alone_is_trained_on(logistic: Start) -> None:
    data = replace(DATA, labels=np.ones(50, dtype=np.int64))
    result, update = run(logistic, data, steps=200)
    assert math.isfinite(result.train_loss)
    assert update[-1] > 0


def test_no_proximal_term_is_fedavg_and_a_huge_one_pins_the_weights(logistic: Start) -> None:
    plain, _ = run(logistic)
    zero, _ = run(logistic, proximal_mu=0.0)
    assert zero.update_digest == plain.update_digest
    norms = [run(logistic, proximal_mu=mu)[0].update_norm_l2 for mu in (0.0, 0.1, 1.0, 10.0, 1e6)]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 1e-5 < 0.1 < norms[0]


def test_a_small_proximal_term_is_the_gradient_of_the_penalty(logistic: Start) -> None:
    """Against the penalty added to the loss (as in the paper): equal up to terms of second order in rate times mu."""
    mu, rate = 0.05, 0.01
    _, update = run(logistic, proximal_mu=mu, learning_rate=rate, steps=100)
    _, plain = run(logistic, learning_rate=rate, steps=100)
    start = torch.from_numpy(read_flat(logistic.path, logistic.layout).astype(np.float64))
    w = start.clone().requires_grad_()
    features, target = torch.from_numpy(DATA.features).double(), torch.from_numpy(DATA.labels).double()
    generator = np.random.Generator(np.random.PCG64(7))
    order: list[int] = []
    for _ in range(100):
        if not order:
            order = list(generator.permutation(50))
        batch, order = order[:8], order[8:]
        logits = features[batch] @ w[:4] + w[4]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target[batch])
        (gradient,) = torch.autograd.grad(loss + mu / 2 * (w - start).square().sum(), w)
        w = (w - rate * gradient).detach().requires_grad_()
    penalised = (w - start).detach().numpy()
    effect = np.abs(plain - penalised).max()
    assert effect > 1e-5
    assert np.abs(update - penalised).max() < 0.05 * effect


def test_divergence_is_said_not_sent(logistic: Start) -> None:
    data = replace(DATA, features=DATA.features * np.float32(1e30))
    with pytest.raises(Invalid) as caught:
        run(logistic, data, learning_rate=100.0)
    assert caught.value.code == "training.diverged"
    assert not logistic.path.with_name("update").exists()


def test_training_on_no_rows_is_refused(logistic: Start) -> None:
    empty = ArrayData(np.empty((0, 4), np.float32), np.empty(0, np.int64), target_of("binary", 2))
    with pytest.raises(Invalid) as caught:
        run(logistic, empty)
    assert caught.value.code == "training.no_rows"


@pytest.mark.parametrize("data", [blobs(20, n_features=5), blobs(20, n_classes=3)])
def test_a_model_that_does_not_fit_the_data_is_refused(logistic: Start, data: ArrayData) -> None:
    with pytest.raises(Invalid) as caught:
        run(logistic, data)
    assert caught.value.code == "model.does_not_fit"


def test_a_model_file_of_another_layout_is_refused(logistic: Start, tmp_path: Path) -> None:
    other = make_start(tmp_path, {"family": "softmax"})
    with pytest.raises(Invalid) as caught:
        run(replace(logistic, path=other.path))
    assert caught.value.code in {"model.layout", "tensors.too_large"}


def test_a_global_model_that_is_not_finite_is_not_trained_on(logistic: Start) -> None:
    weights = {
        name: np.full_like(array, np.nan) for name, array in read_weights(logistic.path, logistic.layout).items()
    }
    write_weights(logistic.path, logistic.layout, weights)
    with pytest.raises(Invalid) as caught:
        run(logistic)
    assert caught.value.code == "training.diverged"


def test_training_loads_no_compiler(logistic: Start) -> None:
    """Torch's optimiser classes would: seconds and tens of megabytes in every trainer, for nothing."""
    program = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from federation.learning.backend import local_backend_factory;"
        "from federation.learning.data import ArrayData; from federation.learning.models import parse_model;"
        "from federation.targets import target_of;"
        "from federation.learning.specification import parse_local; from federation.learning.train import train;"
        "family, spec = parse_model({'family': 'logistic'}); two = target_of('binary', 2);"
        "layout = family.layout(spec, 4, two);"
        "data = ArrayData(np.zeros((8, 4), np.float32), np.zeros(8, np.int64), two); path = Path(sys.argv[1]);"
        "local = parse_local({'steps': 3, 'momentum': 0.5});"
        "train(path, layout, local_backend_factory(family, spec), data, local, 1, path.with_name('update'));"
        "assert 'torch._dynamo' not in sys.modules and 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(logistic.path)], check=True)


def test_training_that_is_called_off_ends_before_its_next_batch_and_writes_nothing(logistic: Start) -> None:
    out, asked = logistic.path.with_name("update"), iter(range(1000))
    settings = parse_local({"steps": 100_000, "batch_size": 8, "learning_rate": 0.1})
    arguments = (logistic.path, logistic.layout, logistic.begin, DATA, settings, 7, out)
    with pytest.raises(Stopped) as caught:
        train(*arguments, lambda: next(asked) == 5)
    assert caught.value.code == "training.stopped"
    assert next(asked) == 6
    assert not out.exists()


def test_being_asked_changes_no_bit_of_the_update(logistic: Start) -> None:
    plain, _ = run(logistic)
    settings = parse_local({"steps": 20, "batch_size": 8, "learning_rate": 0.1})
    out, asked = logistic.path.with_name("asked"), iter(range(1000))
    arguments = (logistic.path, logistic.layout, logistic.begin, DATA, settings, 7, out)
    result = train(*arguments, lambda: next(asked) < 0)
    assert result.update_digest == plain.update_digest
    assert next(asked) == 20
