"""A model is served from its card and its weights alone, and says what its silos' trainers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from federation.learning.backend import local_backend_factory
from federation.learning.models import parse_model
from federation.learning.weights import read_flat
from federation.protocol.dataset_steps import StratifiedShuffle
from federation.targets import target_of
from registry.models import ModelVersion
from silo_connector.trainer.data import load, read_declaration
from silo_connector.trainer.data.split import split_rows
from tests.integration.registry.test_model_api import drained
from tests.support import serving
from tests.support.cohort import Cohort, model_of, run_job
from tests.support.world import client_of

EXAMPLE = Path(__file__).parents[3] / "silo_connector" / "examples" / "heart-disease.toml"
pytestmark = pytest.mark.django_db


def taken(cohort: Cohort, version: ModelVersion) -> tuple[dict[str, Any], bytes]:
    """The card and the weights, as the API gives them."""
    client = client_of(cohort.scientist)
    card = client.get(f"/api/v1/model-versions/{version.id}/card/").json()
    headers = {"Accept": "application/octet-stream"}
    return card, b"".join(drained(client.get(f"/api/v1/model-versions/{version.id}/download/", headers=headers)))


@pytest.mark.parametrize("model", [{"family": "logistic"}, {"family": "mlp", "hidden": [5, 3], "activation": "tanh"}])
def test_card_and_weights_alone_predict_what_the_trainer_predicts(
    cohort: Cohort, heart_disease: Path, tmp_path: Path, model: dict[str, Any]
) -> None:
    job = run_job(cohort, rounds=1, model=model)
    card, file = taken(cohort, model_of(job).versions.get(round_number=0))  # as it starts no two weights are equal
    data = heart_disease / "processed.hungarian.data"

    names = [column["name"] for column in card["preprocessing"]["columns"]]
    lines = [line.split(",") for line in data.read_text().split()]
    rows = serving.complete(
        card, [{n: None if v == "?" else float(v) for n, v in zip(names, line, strict=True)} for line in lines]
    )
    target = np.array([int(float(str(row["num"])) > 0) for row in rows])
    is_training = split_rows(StratifiedShuffle.model_validate(card["preprocessing"]["split"]), target, data)
    x = serving.matrix(card, rows, is_training)
    served = serving.chances(card, serving.read_weights(file), x)

    prepared = load(read_declaration(EXAMPLE).declaration, data)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(file)
    family, specification = parse_model(model)
    layout = family.layout(specification, 13, target_of("binary", 2))
    computation = local_backend_factory(family, specification)(
        layout, 13, target_of("binary", 2), read_flat(weights, layout)
    )
    with torch.inference_mode():
        z = computation.outputs(torch.from_numpy(prepared.test.features)).double().numpy()
    z = np.concatenate([np.zeros_like(z), z], axis=1) if z.shape[1] == 1 else z
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    np.testing.assert_array_equal(target[~is_training], prepared.test.labels)
    np.testing.assert_allclose(x[~is_training], prepared.test.features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(served[~is_training], expected, rtol=1e-5, atol=1e-6)
    assert card["classes"] == ["healthy", "ill"]
    assert "own training rows" in card["inputs"]["standardisation"]


def test_an_auc_of_all_silos_is_said_not_to_be_there(cohort: Cohort) -> None:
    job = run_job(cohort, rounds=1)
    card, _ = taken(cohort, model_of(job).versions.get(round_number=1))
    client = client_of(cohort.scientist)
    combined = client.get(f"/api/v1/jobs/{job.id}/metrics/").json()["results"][-1]["combined"]
    version = client.get(f"/api/v1/models/{card['model_id']}/versions/?best=true").json()["results"][0]["metrics"]
    for one_report in (card["metrics"]["combined"], combined, version):
        assert one_report["auc"] is None
        assert "can't be computed" in one_report["auc_unavailable"]
