"""Attention maps that a layer keeps to itself.

Shapes: b batch, n tokens, c channels of all heads, h heads.
"""

from torch import Tensor

from .attention import Attend, logit_bias, softmax_maps, split_heads


def map_of_attend(
    attend: Attend, q_bnc: Tensor, k_bnc: Tensor, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the maps (b, h, queries, keys) by which `attend` weighs the values of these queries and keys.

    While training they are drawn anew, where there is dropout. Arguments are as those of `Attend`.
    """
    q_bhnd, k_bhnd = split_heads(q_bnc, attend.heads), split_heads(k_bnc, attend.heads)
    rate = attend.dropout if attend.training else 0.0
    return softmax_maps(q_bhnd, k_bhnd, attend.scale, logit_bias(bias, mask, q_bhnd), rate)
