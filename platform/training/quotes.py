"""What a job would take, before it is launched: judged by the same checks, kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consortia.models import Consortium
from federation.learning.models import parse_model
from federation.protocol.tensors import Layout, TensorSpec, count_parameters, file_size_bytes
from silos.models import Dataset
from training.actions.launch import check_datasets, check_version
from training.requests import JobRequest, read_request


@dataclass(frozen=True)
class Quote:
    """Who would take part, over how much data, and how many bytes would travel."""

    datasets: tuple[Dataset, ...]
    rows_coarse: int
    quorum: int
    rounds: int
    parameters: int
    model_size_bytes: int
    bytes_down_per_round: int
    bytes_up_per_round: int
    bytes_total: int


def quote(*, consortium: Consortium, request: Mapping[str, Any]) -> Quote:
    """Weigh a launch request. Raises what launching it would raise."""
    asked = read_request(request)
    datasets = check_datasets(consortium=consortium, asked=asked)
    size = file_size_bytes(layout := _layout(consortium, asked, datasets))
    train = asked.task == "train"
    down, up = size * len(datasets), size * len(datasets) if train else 0
    rounds = asked.rounds if train else 0
    return Quote(
        datasets=tuple(datasets),
        rows_coarse=sum(dataset.rows_coarse for dataset in datasets),
        quorum=asked.effective_quorum,
        rounds=rounds,
        parameters=count_parameters(layout),
        model_size_bytes=size,
        bytes_down_per_round=down,
        bytes_up_per_round=up,
        bytes_total=rounds * (down + up) + down,  # after the last round the model is evaluated once more
    )


def _layout(consortium: Consortium, asked: JobRequest, datasets: Sequence[Dataset]) -> Layout:
    version = check_version(consortium=consortium, asked=asked, datasets=datasets)
    if version is not None:
        return tuple(TensorSpec(spec["name"], tuple(spec["shape"]), spec["dtype"]) for spec in version.model.layout)
    assert asked.model is not None
    family, specification = parse_model(asked.model)
    return family.layout(specification, datasets[0].n_features, datasets[0].n_classes)
