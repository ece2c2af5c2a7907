"""A training plan: logistic regression with a focal loss, which gives hard rows more weight."""

import torch

PLAN = {
    "interface": 1,
    "title": "Logistic regression with a focal loss",
    "parameters": [
        {"name": "linear.weight", "shape": [1, "n_features"]},
        {"name": "linear.bias", "shape": [1], "start": "zeros"},
    ],
}
GAMMA = 2.0


def transform(features: torch.Tensor) -> torch.Tensor:
    """Features of one row only: here they are kept within bounds."""
    return features.clamp(-10.0, 10.0)


def predict(parameters: dict[str, torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """Log-odds of class 1, [rows, 1]."""
    return torch.nn.functional.linear(features, parameters["linear.weight"], parameters["linear.bias"])


def loss(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """One number a row (Lin et al. 2017, Focal loss for dense object detection, section 3)."""
    plain = torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], target.float(), reduction="none")
    return (1 - torch.exp(-plain)) ** GAMMA * plain
