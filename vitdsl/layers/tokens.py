"""Learned tokens."""

import torch
from torch import nn

from .initial import SMALL, Fill


class Tokens(nn.Module):
    """Learned tokens, the same for every image.

    Parameters: one (1, 1, dim) for each name; without names, `weight` (1, count, dim).
    """

    def __init__(self, dim: int, *names: str, count: int = 0, init: Fill = SMALL) -> None:
        super().__init__()
        for name in names or ("weight",):
            table = nn.Parameter(torch.empty(1, 1 if names else count, dim))
            if not table.is_meta:
                init(table)
            self.register_parameter(name, table)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return ", ".join(f"{name}: {tuple(tensor.shape)}" for name, tensor in self.named_parameters())
