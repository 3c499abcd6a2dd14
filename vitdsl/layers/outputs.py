"""What a model with several outputs returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn


class Outputs(nn.Module):
    """In evaluation the weighted sum of the outputs, in training a dict of those that are trained. No parameters.

    Args:
        weights: of outputs in evaluation, by name; where all are the same and add up to 1, it is their mean.
        trained: names of what training returns; None: as evaluation.
    """

    def __init__(self, weights: Mapping[str, float], trained: Sequence[str] | None = None) -> None:
        super().__init__()
        self.weights, self.trained = dict(weights), None if trained is None else list(trained)

    def forward(self, outputs: dict[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """Return the sum, or the dict."""
        if self.training and self.trained is not None:
            return {name: outputs[name] for name in self.trained}
        weights = list(self.weights.values())
        first, *others = (outputs[name] for name in self.weights)
        if len(set(weights)) == 1 and abs(weights[0] * len(weights) - 1) < 1e-12:
            for tensor in others:
                first = first + tensor
            return first / len(weights)
        total = first * weights[0]
        for tensor, weight in zip(others, weights[1:], strict=True):
            total = total + tensor * weight
        return total

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"weights={self.weights}, trained={self.trained}"
