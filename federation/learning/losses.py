"""The loss that belongs to a model's outputs, where a model has none of its own. Torch and nothing else."""

from __future__ import annotations

import torch


def loss_of(logits: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy of [rows, 1] log-odds of class 1, or of [rows, classes] logits; target int64 [rows]."""
    if logits.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.to(logits.dtype), reduction=reduction
        )
    return torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
