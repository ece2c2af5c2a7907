"""One session, in a process of its own: an order's plan, asked about one batch after another until the trainer goes."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
import torch

from federation.targets import target_of
from silo_connector import frames
from silo_connector.frames import Frame
from silo_connector.runner.plan import Plan, WrongAnswer, is_want_of_memory, load, public_error

CONNECTION = 3
_WRITE_BYTES = 1 << 20
_RESERVE_BYTES = 4 << 20
_RESERVE = mmap.mmap(-1, _RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
"""Given back when a plan fails: to say that memory is used up takes some. Every session has it from the runner, beyond
what its plan may use."""


def run(measures: list[str], body_bytes_max: int) -> None:
    """Until the other side closes. Whatever the plan does ends this process at worst."""
    _send({"hello": 1, "measures": measures, "torch": torch.__version__})
    opening = frames.receive(_read, frames.SOURCE_BYTES_MAX, frames.OPENING_HEAD_BYTES_MAX)
    try:
        plan = load(bytes(opening.body), target_of(opening.head["target"], opening.head["n_classes"]))
        model = _Model(plan, opening.head)
        _send({"done": "opened"})
        while True:
            _answer(model, frames.receive(_read, body_bytes_max))
    except frames.Gone:
        return
    except WrongAnswer:
        _send({"error": "answer"})
    except BaseException as error:
        _RESERVE.close()
        _send({"error": "memory"} if is_want_of_memory(error) else {"error": "plan", **public_error(error)})


class _Model:
    """A plan, and how its parameters lie in a frame: labels (as the target has them), parameters, features."""

    def __init__(self, plan: Plan, head: dict[str, Any]) -> None:
        self.plan = plan
        self._layout = [(str(name), tuple(map(int, shape))) for name, shape in head["layout"]]
        self._n_features = int(head["n_features"])

    def batch(self, frame: Frame, *, with_labels: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """Parameters, features and labels, as views into the frame."""
        rows = int(frame.head["rows"])
        labels = np.frombuffer(frame.body, self.plan.target.label_dtype, rows if with_labels else 0)
        begin, parameters = labels.nbytes, {}
        for name, shape in self._layout:
            tensor = np.frombuffer(frame.body, "<f4", int(np.prod(shape, dtype=np.int64)), begin).reshape(shape)
            parameters[name] = torch.from_numpy(tensor)
            begin += tensor.nbytes
        features = np.frombuffer(frame.body, "<f4", rows * self._n_features, begin).reshape(rows, self._n_features)
        return parameters, torch.from_numpy(features), torch.from_numpy(labels)


def _answer(model: _Model, frame: Frame) -> None:
    if frame.head["do"] == "gradients":
        parameters, features, labels = model.batch(frame, with_labels=True)
        for tensor in parameters.values():
            tensor.requires_grad_()
        loss, gradients = model.plan.gradients(parameters, features, labels)
        _send({"done": "gradients"}, loss, *gradients)
    else:
        parameters, features, _ = model.batch(frame, with_labels=False)
        with torch.inference_mode():
            outputs = model.plan.outputs(parameters, features)
        _send({"done": "outputs", "columns": outputs.shape[1]}, outputs)


def _send(head: dict[str, Any], *tensors: torch.Tensor) -> None:
    arrays = [np.ascontiguousarray(tensor.detach().numpy(), "<f4").reshape(-1) for tensor in tensors]
    _write(memoryview(frames.encode(head, sum(array.nbytes for array in arrays))))
    for array in arrays:
        if array.size:
            _write(array.view(np.uint8).data)


def _write(data: memoryview) -> None:
    while data:
        data = data[os.write(CONNECTION, data[:_WRITE_BYTES]) :]


def _read(buffer: memoryview) -> int:
    try:
        return os.readv(CONNECTION, [buffer])
    except ConnectionError:
        return 0
