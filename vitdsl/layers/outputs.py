"""What a model with several outputs returns."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Outputs(nn.Module):
    """In evaluation the weighted sum of the outputs, in training a dict of those that are trained.

    Args:
        weights: of each output in evaluation.
        training: names of what training returns; None: as evaluation.
    """

    def __init__(self, weights: Sequence[float], training: Sequence[str] | None) -> None:
        super().__init__()
        self.weights = list(weights)
        self.trained = None if training is None else list(training)

    def forward(self, evaluated: list[Tensor], trained: list[Tensor]) -> Tensor | dict[str, Tensor]:
        """The merged tensor, or the dict."""
        if self.training and self.trained is not None:
            return dict(zip(self.trained, trained, strict=True))
        if len(set(self.weights)) == 1 and abs(self.weights[0] * len(evaluated) - 1) < 1e-12:
            total = evaluated[0]
            for tensor in evaluated[1:]:
                total = total + tensor
            return total / len(evaluated)
        total = evaluated[0] * self.weights[0]
        for tensor, weight in zip(evaluated[1:], self.weights[1:], strict=True):
            total = total + tensor * weight
        return total

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"weights={self.weights}, training={self.trained}"
