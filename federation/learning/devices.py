"""The GPUs that torch sees in this process. Training is on processors, whatever there is."""

from __future__ import annotations


def visible_gpus() -> int:
    """How many there are."""
    import torch

    return torch.cuda.device_count()


def limit_gpu(share: float, device: int) -> None:
    """Let torch take this part of a GPU's memory; beyond it, allocating fails as if the GPU were full."""
    import torch

    torch.cuda.set_per_process_memory_fraction(share, device)
