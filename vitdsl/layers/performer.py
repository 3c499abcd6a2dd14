"""Attention by positive random features: linear in the number of tokens.

Shapes: b batch, n tokens (of queries or of keys), c channels of all heads, h heads, d channels of a head, m features.
"""

import math

import torch
from torch import Tensor, nn


def orthogonal_features(features: int, dim: int) -> Tensor:
    """Random directions, (features, dim), float64, drawn from torch's generator.

    The rows are orthonormal times √features; where there are more features than channels, the columns are.
    """
    tall = torch.randn(max(features, dim), min(features, dim), dtype=torch.float64, device="cpu")
    basis, triangle = torch.linalg.qr(tall)
    # The sign of the diagonal is free in a QR decomposition; fixing it makes the distribution uniform.
    basis = basis * triangle.diagonal().sign()
    rows = basis if features > dim else basis.T
    return math.sqrt(features) * rows


class Performer(nn.Module):
    """Attention whose exponential of q·k is replaced by a product of positive features of q and of k.

    φ(u) = exp(u·wᵀ - |u|²/2) / √m and y = φ(q)·(Σ φ(k) vᵀ) / (φ(q)·Σ φ(k) + eps). Queries and keys are not scaled. Half
    types are computed in float32, as exponentials and sums over all tokens leave their range.

    Parameters: none; the fixed `weight` (features, dim) is a persistent buffer, the same for all heads.
    Multiply-adds, with Nq queries, Nk keys and v channels in a head of the values:
    heads·features·((Nq + Nk)·(dim + v) + Nq); for N tokens and v = dim, heads·N·features·(4·dim + 1).
    """

    weight: Tensor

    def __init__(
        self,
        dim: int,
        features: int,
        heads: int = 1,
        eps: float = 1e-8,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.features, self.heads, self.eps = dim, features, heads, eps
        self.register_buffer("weight", torch.empty(features, dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new directions."""
        if not self.weight.is_meta:
            self.weight.copy_(orthogonal_features(self.features, self.dim))

    def forward(self, q_bnc: Tensor, k_bnc: Tensor, v_bnc: Tensor) -> Tensor:
        """Return (b, queries, heads·v) for q (b, queries, heads·dim), k (b, keys, heads·dim), v (b, keys, heads·v)."""
        device = q_bnc.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self._attend(q_bnc, k_bnc, v_bnc)
        return self._attend(q_bnc, k_bnc, v_bnc)

    def _attend(self, q_bnc: Tensor, k_bnc: Tensor, v_bnc: Tensor) -> Tensor:
        q_bhnd, k_bhnd, v_bhnd = (self._split(x_bnc) for x_bnc in (q_bnc, k_bnc, v_bnc))
        q_bhnm, k_bhnm = self._positive(q_bhnd), self._positive(k_bhnd)
        norm_bhn1 = q_bhnm @ k_bhnm.sum(2).unsqueeze(-1)
        y_bhnd = q_bhnm @ (k_bhnm.transpose(2, 3) @ v_bhnd) / (norm_bhn1 + self.eps)
        return y_bhnd.transpose(1, 2).flatten(2).to(v_bnc.dtype)

    def _split(self, x_bnc: Tensor) -> Tensor:
        x_bhnd = x_bnc.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return x_bhnd.float() if x_bhnd.dtype in (torch.float16, torch.bfloat16) else x_bhnd

    def _positive(self, u_bhnd: Tensor) -> Tensor:
        half_square_bhn1 = u_bhnd.square().sum(-1, keepdim=True) / 2
        projected_bhnm = u_bhnd @ self.weight.to(u_bhnd.dtype).T
        return (projected_bhnm - half_square_bhn1).exp() / math.sqrt(self.features)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"dim={self.dim}, features={self.features}, heads={self.heads}, eps={self.eps}"
