"""AZ-NAS: expressivity, trainability and complexity of the blocks of a model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.taps import with_taps
from vitdsl.features import Feature
from vitdsl.graph.views.taps import TapPoint
from vitdsl.search.proxies.base import Batch, float_type, refusal, set_up
from vitdsl.search.proxies.sums import macs

Hook = Callable[[torch.nn.Module, tuple[Tensor, ...], Tensor], None]
COMPONENTS = ("expressivity", "trainability", "complexity")


def az_nas(model: VisionModel, batch: Batch) -> dict[str, float]:
    """Expressivity, trainability and complexity, which are ranked over a population and then aggregated.

    The input is normal noise in the place of the images. Expressivity is Σ_l of the entropy of the eigenvalues of the
    covariance of block l's output. Trainability is the mean over blocks of 2 - σ - 1/σ, σ = ‖g_inᵀ g_out‖₂ / rows,
    where g_out is a random ±1 at the block's output, and g_in the gradient at the end of the block before it, or at the
    beginning of the stage: at σ = 1 it is 0, else less. Complexity is the number of multiply-adds. Progressivity
    is left out, as published for ViTs.

    Operators of a stage before its blocks are in no σ. Where a block shrinks the grid, each of its positions is
    compared with all those that it covers, their channels concatenated. A block with other tokens than that, or one
    that does not read the one before, has no σ.

    Source: Lee and Ham, AZ-NAS, arXiv 2403.19232.

    Raises:
        ProxyError: the model has no block, or none whose gradient can be compared.
    """
    copy, chains = with_taps(model)
    copy = set_up(copy, float_type(model))
    if not chains:
        raise refusal(f"`az_nas` looks at blocks, but `{model.spec.name}` has none")
    images = torch.randn(batch.images.shape, generator=torch.Generator().manual_seed(batch.seed)).to(batch.images)
    values: dict[str, Tensor] = {}
    taps = [tap for chain in chains for tap in chain]
    for tap in taps:
        copy.get_submodule(tap.path).register_forward_hook(_keeper(values, tap.path))
    copy(images.requires_grad_(True))
    ends = [values[tap.path] for tap in taps if tap.ends_block]
    sigmas = list(_sigmas(chains, values, batch.seed))
    if not sigmas:
        raise refusal(f"`az_nas` needs a block that reads what another gives, but `{model.spec.name}` has none")
    return {
        "expressivity": sum(entropy(x.detach().flatten(0, 1)) for x in ends),
        "trainability": sum(passing(sigma) for sigma in sigmas) / len(sigmas),
        "complexity": macs(model, batch),
    }


def _keeper(values: dict[str, Tensor], path: str) -> Hook:
    def keep(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        values[path] = output

    return keep


def entropy(rows: Tensor) -> float:
    """Entropy, in nats, of the eigenvalues of the covariance of (rows, C), as shares of their sum.

    NaN where all rows are equal.
    """
    centred = rows.double() - rows.double().mean(0)
    if not bool(centred.isfinite().all()) or not bool(centred.any()):
        return math.nan
    # the smaller one of the two products has all eigenvalues that are not 0
    product = centred.T @ centred if len(rows) >= rows.shape[1] else centred @ centred.T
    values = torch.linalg.eigvalsh(product).clamp(min=0)
    return float(torch.special.entr(values / values.sum()).sum())


def passing(sigma: float) -> float:
    """2 - σ - 1/σ."""
    return 2 - sigma - 1 / sigma if sigma else -math.inf


def _sigmas(chains: list[list[TapPoint]], values: dict[str, Tensor], seed: int) -> Iterator[float]:
    """σ of each block that can be compared with the one before it."""
    generator = torch.Generator().manual_seed(seed)
    for chain in chains:
        for before, after in itertools.pairwise(chain):
            entering, leaving = values[before.path], values[after.path]
            g_out = (torch.randint(0, 2, leaving.shape, generator=generator) * 2 - 1).to(leaving)
            (g_in,) = torch.autograd.grad(leaving, entering, g_out, retain_graph=True, allow_unused=True)
            rows = None if g_in is None else align(g_in, before.feature, g_out, after.feature)
            if rows is not None:
                yield spectral(*rows)


def spectral(g_in: Tensor, g_out: Tensor) -> float:
    """‖g_inᵀ g_out‖₂ / rows of two matrices (rows, C)."""
    first, second = g_in.double(), g_out.double()
    if not bool(first.isfinite().all()):
        return math.nan
    if len(first) < min(first.shape[1], second.shape[1]):
        # triangular factors: the orthogonal ones change no singular value
        first, second = (torch.linalg.qr(side.T, mode="r").R.T for side in (first, second))
    return float(torch.linalg.svdvals(first.T @ second / len(g_in))[0])


def align(g_in: Tensor, entering: Feature, g_out: Tensor, leaving: Feature) -> tuple[Tensor, Tensor] | None:
    """Gradients (B, N, C) at two features as matrices with a row for each position of the coarser one, or None."""
    if g_in.shape[1] == g_out.shape[1]:
        return g_in.flatten(0, 1), g_out.flatten(0, 1)
    if entering.grid is None or leaving.grid is None:
        return None
    first, second = _map(g_in, entering.grid), _map(g_out, leaving.grid)
    coarse = tuple(min(sides) for sides in zip(entering.grid, leaving.grid, strict=True))
    return _cells(first, coarse), _cells(second, coarse)


def _map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """The grid of (B, N, C), which follows the extra tokens, as (B, C, H, W)."""
    return tokens[:, tokens.shape[1] - grid[0] * grid[1] :].transpose(1, 2).unflatten(2, grid)


def _cells(x: Tensor, coarse: tuple[int, ...]) -> Tensor:
    """(B·positions, channels of all that each position of the coarser grid covers); padded by 0 at the end."""
    steps = [math.ceil(x.shape[axis + 2] / coarse[axis]) for axis in (0, 1)]
    missing = [steps[axis] * coarse[axis] - x.shape[axis + 2] for axis in (0, 1)]
    x = F.pad(x, (0, missing[1], 0, missing[0]))
    cells = x.unflatten(3, (coarse[1], steps[1])).unflatten(2, (coarse[0], steps[0]))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(0, 2)
