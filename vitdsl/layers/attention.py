"""Attention and its relatives: in one, or by maps that others may work on.

Shapes: b batch, n tokens, c channels of all heads, h heads (the major part of c), d channels of a head, q queries,
k keys, g windows. A batch of windows is images·windows, windows fastest; biases and masks of g windows are repeated for
each image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lengths import known_equal, runs_as_written
from .relative_2d import Relative2d


def split_heads(x_bnc: Tensor, heads: int) -> Tensor:
    """(b, n, h·d) as (b, h, n, d)."""
    return x_bnc.unflatten(2, (heads, -1)).transpose(1, 2)


def join_heads(x_bhnd: Tensor) -> Tensor:
    """(b, h, n, d) as (b, n, h·d)."""
    return x_bhnd.transpose(1, 2).flatten(2)


def repeat_windows(x: Tensor, batch: int) -> Tensor:
    """Repeat (windows, …) for each image of a batch; what has one entry is left to broadcasting."""
    # What has the whole batch's entries may have a symbolic number of them: no comparison that an export would guard.
    if x.shape[0] == 1 or known_equal(x.shape[0], batch):
        return x
    return x.expand(batch // x.shape[0], *x.shape).flatten(0, 1)


def logit_bias(bias: Tensor | None, mask: Tensor | None, x: Tensor) -> Tensor | None:
    """What is added to the logits: the bias, and the least number where the mask says no.

    The least number, other than -∞, leaves the values finite where a query sees nothing.

    Args:
        bias: (1, windows or batch, h, q, k) or None.
        mask: bool (windows, q, k), true where a query may see a key, or None.
        x: batch first; gives batch and type.

    Returns:
        (1, windows or batch, h or 1, q, k) in the type of x, or None.
    """
    bias = None if bias is None else bias.to(x.dtype)
    if mask is not None:
        seen_gqk = mask[:, None]
        if bias is not None and bias.shape[0] != 1:
            seen_gqk = repeat_windows(seen_gqk, bias.shape[0])
        bias = torch.where(seen_gqk, x.new_zeros(()) if bias is None else bias, torch.finfo(x.dtype).min)
    return bias


def add_bias(maps_bhqk: Tensor, bias: Tensor | None) -> Tensor:
    """Add what `logit_bias` gives to the logits (b, h, q, k); of windows, to those of each image."""
    if bias is None:
        return maps_bhqk
    if bias.shape[0] == 1 or known_equal(bias.shape[0], maps_bhqk.shape[0]):
        return maps_bhqk + bias
    return (maps_bhqk.unflatten(0, (-1, bias.shape[0])) + bias).flatten(0, 1)


FEW = 64
"""Up to so many keys, the CPU's fused attention is slower than two products, but for inference in one thread."""


def _are_few(k_bhnd: Tensor) -> bool:
    """Whether attention to these keys is faster in steps, on a CPU."""
    return (
        runs_as_written(k_bhnd) and k_bhnd.shape[2] <= FEW and (torch.is_grad_enabled() or torch.get_num_threads() > 1)
    )


def softmax_maps(q_bhnd: Tensor, k_bhnd: Tensor, scale: float, added: Tensor | None, rate: float) -> Tensor:
    """Return the maps (b, h, queries, keys): dropout(softmax(scale·q·kᵀ + added)); `logit_bias` gives what is added."""
    maps_bhqk = add_bias((q_bhnd * scale) @ k_bhnd.transpose(2, 3), added)
    return F.dropout(torch.softmax(maps_bhqk, dim=-1), rate)


def weigh_values(maps_bhqk: Tensor, v_bnc: Tensor) -> Tensor:
    """Return each query's sum (b, queries, h·e) of the values (b, keys, h·e), weighed by its row of the maps."""
    return join_heads(maps_bhqk @ split_heads(v_bnc, maps_bhqk.shape[1]))


class Attend(nn.Module):
    """softmax(scale·q·kᵀ + bias)·v, the maps never shown. No parameters. Multiply-adds: h·N·M·(d + e)."""

    def __init__(self, heads: int, scale: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.scale, self.dropout = heads, scale, dropout

    def forward(
        self, q_bnc: Tensor, k_bnc: Tensor, v_bnc: Tensor, bias: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return (b, queries, h·e).

        Args:
            q_bnc: (b, queries, h·d).
            k_bnc: (b, keys, h·d).
            v_bnc: (b, keys, h·e).
            bias: (1, windows or b, h, queries, keys).
            mask: bool (windows, queries, keys), true where a query may see a key.
        """
        q, k, v = (split_heads(x_bnc, self.heads) for x_bnc in (q_bnc, k_bnc, v_bnc))
        rate = self.dropout if self.training else 0.0
        added = logit_bias(bias, mask, q)
        if q.device.type == "cpu" and (q.shape[-1] != v.shape[-1] or _are_few(k)):
            # no fused kernel of the CPU takes values of another width, and what stands in for it is slower than this
            return join_heads(softmax_maps(q, k, self.scale, added, rate) @ v)
        added = None if added is None else repeat_windows(added, q.shape[0])
        return join_heads(F.scaled_dot_product_attention(q, k, v, added, rate, scale=self.scale))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"heads={self.heads}, scale={self.scale}, dropout={self.dropout}"


class Scores(nn.Module):
    """scale·q·kᵀ + bias. No parameters. Multiply-adds: h·N·M·d."""

    def __init__(self, heads: int, scale: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale

    def forward(self, q_bnc: Tensor, k_bnc: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the maps (b, h, queries, keys); arguments as those of `Attend`."""
        q, k = split_heads(q_bnc, self.heads), split_heads(k_bnc, self.heads)
        maps_bhqk = (q * self.scale) @ k.transpose(2, 3)
        return add_bias(maps_bhqk, logit_bias(bias, None, maps_bhqk))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"heads={self.heads}, scale={self.scale}"


class KeyNorm(nn.Module):
    """Batch norm of each key over images, heads and queries, without affine; masked pairs are in no statistic.

    Parameters: none; `running_mean` (keys), `running_var` (keys) and `num_batches_tracked` are buffers.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, keys: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.empty(keys))
        self.register_buffer("running_var", torch.empty(keys))
        self.register_buffer("num_batches_tracked", torch.empty((), dtype=torch.long))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with mean 0 and variance 1."""
        self.running_mean.zero_()
        self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def forward(self, maps: Tensor, seen: Tensor | None = None) -> Tensor:
        """Normalize (…, keys); `seen` is bool and spreads to it, true for what counts."""
        if self.training:
            self.num_batches_tracked.add_(1)
        if seen is None or not self.training:
            rows = maps.reshape(-1, maps.shape[-1])
            y = F.batch_norm(
                rows, self.running_mean, self.running_var, None, None, self.training, self.momentum, self.eps
            )
            return y.view(maps.shape)
        mean_k, var_k = self._statistics(maps, seen)
        return ((maps - mean_k) * torch.rsqrt(var_k + self.eps)).to(maps.dtype)

    def _statistics(self, maps: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        axes = tuple(range(maps.ndim - 1))
        working = maps.to(self.running_mean.dtype)
        count_k = seen.expand(maps.shape).sum(axes)
        divisor_k = count_k.clamp(min=1)
        mean_k = working.masked_fill(~seen, 0).sum(axes) / divisor_k
        squares_k = (working - mean_k).square().masked_fill(~seen, 0).sum(axes)
        with torch.no_grad():
            step_k = self.momentum * (count_k > 0).to(working.dtype)
            self.running_mean.add_(step_k * (mean_k - self.running_mean))
            self.running_var.add_(step_k * (squares_k / (count_k - 1).clamp(min=1) - self.running_var))
        return mean_k, squares_k / divisor_k

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.running_mean.shape[0]}, eps={self.eps}, momentum={self.momentum}"


class Weigh(nn.Module):
    """Makes weights out of scores; a masked pair weighs 0 and is not counted.

    Parameters: none; `norm` (with `batch`) holds the running statistics of each key.

    Args:
        activation: softmax, relu, gelu, layer (layer norm over the keys), batch (batch norm of each key) or none.
        normalize: none, tokens (divides by the number of keys that count) or sqrt_tokens (by its root).
        keys: number of keys.
    """

    def __init__(self, activation: str = "softmax", normalize: str = "none", keys: int = 1) -> None:
        super().__init__()
        self.activation, self.normalize = activation, normalize
        self.norm = KeyNorm(keys) if activation == "batch" else None

    def forward(self, maps_bhqk: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the same shape; `mask` is bool (windows, queries, keys), true where a query may see a key."""
        if mask is None:
            weights_bhqk = self._activate(maps_bhqk)
            return weights_bhqk if self.normalize == "none" else weights_bhqk / maps_bhqk.shape[-1] ** self._power
        seen_gqk = mask[:, None]
        maps_bghqk = maps_bhqk.unflatten(0, (-1, mask.shape[0]))
        weights_bghqk = self._activate(maps_bghqk, seen_gqk).masked_fill(~seen_gqk, 0)
        if self.normalize != "none":
            count_gq1 = seen_gqk.sum(-1, keepdim=True).clamp(min=1)
            weights_bghqk = weights_bghqk / count_gq1.to(maps_bhqk.dtype) ** self._power
        return weights_bghqk.flatten(0, 1)

    @property
    def _power(self) -> float:
        return 1.0 if self.normalize == "tokens" else 0.5

    def _activate(self, maps: Tensor, seen: Tensor | None = None) -> Tensor:
        if self.norm is not None:
            return self.norm(maps, seen)
        if self.activation == "softmax":
            logits = maps if seen is None else maps.masked_fill(~seen, torch.finfo(maps.dtype).min)
            return torch.softmax(logits, dim=-1)
        if self.activation == "layer":
            return layer_norm_keys(maps, seen)
        return {"relu": F.relu, "gelu": F.gelu, "none": lambda x: x}[self.activation](maps)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.activation}, normalize={self.normalize}"


def layer_norm_keys(maps: Tensor, seen: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Layer norm over the last axis, without affine; `seen` is bool and spreads to it, true for what counts."""
    if seen is None:
        return F.layer_norm(maps, maps.shape[-1:], eps=eps)
    working = maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps
    count = seen.sum(-1, keepdim=True).clamp(min=1)
    mean = working.masked_fill(~seen, 0).sum(-1, keepdim=True) / count
    var = (working - mean).square().masked_fill(~seen, 0).sum(-1, keepdim=True) / count
    return ((working - mean) * torch.rsqrt(var + eps)).to(maps.dtype)


class Gather(nn.Module):
    """Each query's sum of the values, weighed by its row of the maps. No parameters. Multiply-adds: h·N·M·e."""

    def forward(self, maps_bhqk: Tensor, v_bnc: Tensor) -> Tensor:
        """Return (b, queries, h·e) for values (b, keys, h·e)."""
        return weigh_values(maps_bhqk, v_bnc)


class Modulate(nn.Module):
    """q ⊙ mean(k) + p·k: dynamic kernels that are depth-wise; p are the rows of the bias, which is not scaled.

    No parameters. Multiply-adds: N·M·C with a bias, and once more with a mask, which makes the mean a product.
    """

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q_bnc: Tensor, k_bnc: Tensor, bias: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Return (b, queries, c).

        Args:
            q_bnc: (b, queries, c).
            k_bnc: (b, keys, c).
            bias: (1, windows or b, h, queries, keys).
            mask: bool (windows, queries, keys): the mean and p·k are over the keys that a query sees.
        """
        y_bnc = q_bnc * (k_bnc.mean(1, keepdim=True) if mask is None else self._seen_mean(k_bnc, mask))
        if bias is None:
            return y_bnc
        p = bias.to(k_bnc.dtype)
        if mask is not None:
            seen_gqk = mask[:, None]
            p = p.masked_fill(~(seen_gqk if p.shape[0] == 1 else repeat_windows(seen_gqk, p.shape[0])), 0)
        k_bhnd = split_heads(k_bnc, self.heads)
        if p.shape[0] == 1:  # one product for all images
            return y_bnc + torch.einsum("hqk,bhkd->bqhd", p[0], k_bhnd).flatten(2)
        return y_bnc + join_heads(repeat_windows(p, k_bnc.shape[0]) @ k_bhnd)

    @staticmethod
    def _seen_mean(k_bnc: Tensor, mask: Tensor) -> Tensor:
        rows_gqk = mask.to(k_bnc.dtype)
        rows_gqk = rows_gqk / rows_gqk.sum(-1, keepdim=True).clamp(min=1)
        k_bgkc = k_bnc.unflatten(0, (-1, mask.shape[0]))
        return torch.einsum("gqk,bgkc->bgqc", rows_gqk, k_bgkc).flatten(0, 1)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"heads={self.heads}"


class QueryBias(Relative2d):
    """`Relative2d` of queries whose heads lie side by side in the channels, scaled first.

    Parameters and multiply-adds: as `Relative2d`.
    """

    def __init__(self, grid: tuple[int, int], heads: int, head_dim: int, scale: float = 1.0) -> None:
        super().__init__(grid, head_dim)
        self.heads, self.scale = heads, scale

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, q_bnc: Tensor, height: int | None = None, width: int | None = None
    ) -> Tensor:
        """Return the logits (b, h, n, n) for queries (b, n, h·d); the other arguments as those of `Relative2d`."""
        return super().forward(split_heads(q_bnc, self.heads) * self.scale, height, width)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{super().extra_repr()}, heads={self.heads}, scale={self.scale}"
