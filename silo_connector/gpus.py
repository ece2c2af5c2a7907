"""Which part of the memory of GPUs a process may take: ``gpu_share_max`` of policy.toml, and none for the runner."""

from __future__ import annotations

from collections.abc import Callable

from federation.errors import Invalid

HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}
"""An environment in which torch finds no GPU, if it is set before torch looks for the first time."""


def limit_memory_to(share: float, devices: int, limit: Callable[[float, int], None]) -> None:
    """Keep this process to its share of each GPU. Raises Invalid ``gpu.unbounded`` where one can't be limited."""
    for device in range(devices):
        try:
            limit(share, device)
        except RuntimeError as error:
            raise Invalid(
                "gpu.unbounded",
                f"GPU {device} can't be limited to gpu_share_max = {share:g}: {str(error).partition(chr(10))[0]}. "
                "Look at its driver, or set gpu_share_max = 0 in policy.toml to train without GPUs.",
            ) from error


def gpu_share_text(share: float, devices: int) -> str:
    """What becomes of ``gpu_share_max`` with so many GPUs in sight, in a sentence."""
    if share == 0:
        return "No GPU is used: gpu_share_max = 0 hides them from the trainer."
    if devices == 0:
        return "No GPU is used: training runs on processors, so that gpu_share_max holds by itself."
    if share == 1:
        return f"The trainer sees GPUs ({devices}), and gpu_share_max sets its part of their memory no limit."
    return f"The trainer sees GPUs ({devices}), and takes at most {share:.0%} of the memory of each (gpu_share_max)."
