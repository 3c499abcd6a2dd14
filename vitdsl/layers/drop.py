"""Stochastic depth.

Shapes: b batch; the other axes are free.
"""

from torch import Tensor, nn


class DropPath(nn.Module):
    """While training, zeroes an image with probability `rate` and multiplies what is kept by 1 / (1 - rate)."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, windows: int = 1) -> Tensor:
        """Return the same shape; of a batch of windows, all of an image drop together."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        kept = x.new_empty((x.shape[0] // windows,) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        kept = kept if windows == 1 else kept.repeat_interleave(windows, 0)
        return x * (kept / keep if keep else kept)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.rate}"
