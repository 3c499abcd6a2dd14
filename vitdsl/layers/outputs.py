"""What a model with several outputs returns."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def merged(outputs: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted sum of some outputs; where all weigh the same and add up to 1, their mean."""
    if len(set(weights)) == 1 and abs(weights[0] * len(outputs) - 1) < 1e-12:
        total = outputs[0]
        for tensor in outputs[1:]:
            total = total + tensor
        return total / len(outputs)
    total = outputs[0] * weights[0]
    for tensor, weight in zip(outputs[1:], weights[1:], strict=True):
        total = total + tensor * weight
    return total


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
        return merged(evaluated, self.weights)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"weights={self.weights}, training={self.trained}"
