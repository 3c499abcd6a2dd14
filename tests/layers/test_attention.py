import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from tests.layers import checks
from tests.zoo.specs import all_of_them
from vitdsl.layers.attention import Attend, Gather, KeyNorm, Modulate, QueryBias, Scores, Weigh
from vitdsl.layers.relative_2d import Relative2d

IMAGES, WINDOWS, HEADS, QUERIES, KEYS = 2, 3, 2, 4, 5
BATCH = IMAGES * WINDOWS


def mask() -> Tensor:
    seen = torch.rand(WINDOWS, QUERIES, KEYS, generator=torch.Generator().manual_seed(3)) > 0.4
    seen[:, :, 2] = True
    assert not seen.all()
    return seen


def bias(batch: int) -> Tensor:
    return checks.normal(batch, HEADS, QUERIES, KEYS)


def expand(x: Tensor | None) -> Tensor | None:
    """One entry for each of the batch: of all, of each window, or as it is."""
    if x is None:
        return None
    return torch.stack([x[0 if len(x) == 1 else b % WINDOWS if len(x) == WINDOWS else b] for b in range(BATCH)])


def logits(q: Tensor, k: Tensor, scale: float, added: Tensor | None) -> Tensor:
    d = q.shape[2] // HEADS
    maps = torch.zeros(BATCH, HEADS, QUERIES, KEYS, dtype=torch.float64)
    for b, h, i, j in itertools.product(range(BATCH), range(HEADS), range(QUERIES), range(KEYS)):
        maps[b, h, i, j] = scale * (q[b, i, h * d : h * d + d] * k[b, j, h * d : h * d + d]).sum()
    return maps if added is None else maps + added


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, added: Tensor | None, seen: Tensor | None) -> Tensor:
    maps, e = logits(q, k, scale, added), v.shape[2] // HEADS
    y = torch.zeros(BATCH, QUERIES, HEADS * e, dtype=torch.float64)
    for b, h, i in itertools.product(range(BATCH), range(HEADS), range(QUERIES)):
        terms = [0.0 if seen is not None and not seen[b, i, j] else math.exp(maps[b, h, i, j]) for j in range(KEYS)]
        for j, term in enumerate(terms):
            y[b, i, h * e : h * e + e] += term / sum(terms) * v[b, j, h * e : h * e + e]
    return y


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys of 2·3 channels, values of 2·5."""
    q, k, v = checks.normal(BATCH, QUERIES + 2 * KEYS, 10).split([QUERIES, KEYS, KEYS], dim=1)
    return q[..., :6], k[..., 2:8], v


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [0, 1, WINDOWS, BATCH])
def test_attend_is_the_loop(biased: int, masked: bool) -> None:
    q, k, v = inputs()
    added, seen = bias(biased) if biased else None, mask() if masked else None
    expected = attend(q, k, v, 0.7, expand(added), expand(seen))
    torch.testing.assert_close(Attend(HEADS, 0.7)(q, k, v, added, seen), expected, rtol=0, atol=1e-13)
    maps = Scores(HEADS, 0.7)(q, k, added)
    torch.testing.assert_close(maps, logits(q, k, 0.7, expand(added)), rtol=0, atol=1e-13)
    weights = Weigh("softmax", "none", KEYS)(maps, seen)
    torch.testing.assert_close(Gather()(weights, v), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rows_that_see_nothing_stay_finite(dtype: torch.dtype) -> None:
    q, k, v = (x.to(dtype).requires_grad_() for x in inputs())
    seen = mask()
    seen[1, 2] = False
    for added in (None, bias(1)):
        y = Attend(HEADS, 0.7)(q, k, v, added, seen)
        y.sum().backward()
        assert y.dtype == dtype
        assert y.isfinite().all()
        assert q.grad is not None
        assert q.grad.isfinite().all()
    for activation, normalize in itertools.product(("softmax", "layer", "batch", "relu"), ("none", "tokens")):
        y = Weigh(activation, normalize, KEYS).to(dtype)(Scores(HEADS, 0.7)(q, k), seen)
        assert y.isfinite().all()
        assert (y[1, :, 2] == 0).all()


def test_attend_drops_while_training_only() -> None:
    q, k, v = inputs()
    layer = Attend(HEADS, 0.7, 0.5)
    assert not torch.equal(layer(q, k, v), layer(q, k, v))
    assert torch.equal(layer.eval()(q, k, v), layer(q, k, v))


def activated(row: list[float], activation: str) -> list[float]:
    if activation == "softmax":
        total = sum(math.exp(x) for x in row)
        return [math.exp(x) / total for x in row]
    if activation == "layer":
        mean = sum(row) / len(row)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-5)
        return [(x - mean) / deviation for x in row]
    return {
        "relu": [max(x, 0.0) for x in row],
        "gelu": [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in row],
        "none": row,
    }[activation]


@pytest.mark.parametrize("normalize", ["none", "tokens", "sqrt_tokens"])
@pytest.mark.parametrize("activation", ["softmax", "relu", "gelu", "layer", "none"])
@pytest.mark.parametrize("masked", [False, True])
def test_weigh_is_the_loop_over_what_is_seen(activation: str, normalize: str, masked: bool) -> None:
    maps = checks.normal(BATCH, HEADS, QUERIES, KEYS)
    seen = mask() if masked else torch.ones(WINDOWS, QUERIES, KEYS, dtype=torch.bool)
    expected = torch.zeros_like(maps)
    for b, h, i in itertools.product(range(BATCH), range(HEADS), range(QUERIES)):
        keys = [j for j in range(KEYS) if seen[b % WINDOWS, i, j]]
        divisor = {"none": 1.0, "tokens": len(keys), "sqrt_tokens": math.sqrt(len(keys))}[normalize]
        row = activated([maps[b, h, i, j].item() for j in keys], activation)
        expected[b, h, i, keys] = torch.tensor(row, dtype=torch.float64) / divisor
    found = Weigh(activation, normalize, KEYS)(maps, seen if masked else None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("masked", [False, True])
def test_weigh_by_batch_norm_leaves_masked_pairs_out(masked: bool) -> None:
    maps = checks.normal(BATCH, HEADS, QUERIES, KEYS)
    seen = mask() if masked else torch.ones(WINDOWS, QUERIES, KEYS, dtype=torch.bool)
    layer = Weigh("batch", "none", KEYS).double()
    expected = torch.zeros_like(maps)
    means, variances = [], []
    for j in range(KEYS):
        pairs = itertools.product(range(BATCH), range(HEADS), range(QUERIES))
        places = [(b, h, i) for b, h, i in pairs if seen[b % WINDOWS, i, j]]
        column = torch.stack([maps[b, h, i, j] for b, h, i in places])
        means.append(column.mean())
        variances.append(column.var())
        for b, h, i in places:
            expected[b, h, i, j] = (maps[b, h, i, j] - column.mean()) / (column.var(correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(layer(maps, seen if masked else None), expected, rtol=0, atol=1e-12)
    assert isinstance(layer.norm, KeyNorm)
    assert layer.norm.num_batches_tracked == 1
    torch.testing.assert_close(layer.norm.running_mean, 0.1 * torch.stack(means), rtol=0, atol=1e-13)
    torch.testing.assert_close(layer.norm.running_var, 0.9 + 0.1 * torch.stack(variances), rtol=0, atol=1e-13)
    evaluated = (maps - layer.norm.running_mean) / (layer.norm.running_var + 1e-5).sqrt()
    evaluated = torch.where(expand(seen).unsqueeze(1), evaluated, 0.0)  # type: ignore[union-attr]
    torch.testing.assert_close(layer.eval()(maps, seen if masked else None), evaluated, rtol=0, atol=1e-12)
    assert layer.norm.num_batches_tracked == 1


def test_a_key_that_nobody_sees_keeps_its_statistics() -> None:
    layer, seen = Weigh("batch", "none", KEYS).double(), mask()
    seen[:, :, 1] = False
    layer(checks.normal(BATCH, HEADS, QUERIES, KEYS), seen)
    assert isinstance(layer.norm, KeyNorm)
    assert (layer.norm.running_mean[1], layer.norm.running_var[1]) == (0, 1)
    assert list(layer.state_dict()) == ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [0, 1, WINDOWS, BATCH])
def test_modulate_is_the_loop(biased: int, masked: bool) -> None:
    q, k, _ = inputs()
    added, seen = bias(biased) if biased else None, mask() if masked else None
    each, sees, d = expand(added), expand(seen), q.shape[2] // HEADS
    expected = torch.zeros(BATCH, QUERIES, q.shape[2], dtype=torch.float64)
    for b, i, c in itertools.product(range(BATCH), range(QUERIES), range(q.shape[2])):
        keys = [j for j in range(KEYS) if sees is None or sees[b, i, j]]
        expected[b, i, c] = q[b, i, c] * sum(k[b, j, c] for j in keys) / len(keys)
        if each is not None:
            expected[b, i, c] += sum(each[b, c // d, i, j] * k[b, j, c] for j in keys)
    layer = Modulate(HEADS)
    torch.testing.assert_close(layer(q, k, added, seen), expected, rtol=0, atol=1e-13)
    products = (biased > 0) + masked
    assert checks.multiply_adds(layer, q, k, added, seen) == BATCH * QUERIES * KEYS * q.shape[2] * products  # type: ignore[arg-type]


def test_query_bias_splits_heads_and_scales() -> None:
    layer = checks.randomize(QueryBias((3, 4), 2, 5, 0.5))
    plain = Relative2d((3, 4), 5).double()
    plain.load_state_dict(layer.state_dict())
    q = checks.normal(3, 12, 10)
    heads = torch.stack([q[..., :5], q[..., 5:]], dim=1)
    torch.testing.assert_close(layer(q), plain(0.5 * heads), rtol=0, atol=1e-13)


class Windowed(nn.Module):
    """A layer over windows of images, so that the dynamic axis is that of the images."""

    def __init__(self, layer: nn.Module, **extras: Tensor) -> None:
        super().__init__()
        self.layer = layer
        for name in ("bias", "mask"):
            self.register_buffer(name, extras.get(name))

    def forward(self, a: Tensor, b: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Inputs (images, windows, …) -> (images, windows, …)."""
        extras = {name: getattr(self, name) for name in ("bias", "mask") if getattr(self, name) is not None}
        y = self.layer(*(x.flatten(0, 1) for x in (a, b, c) if x is not None), **extras)
        return y.unflatten(0, (-1, WINDOWS))


class Biased(nn.Module):
    """Attention with a bias that the queries of each image make."""

    def __init__(self) -> None:
        super().__init__()
        self.position, self.attend = QueryBias((3, 4), 2, 3), Attend(2, 0.5)

    def forward(self, x_bnc: Tensor) -> Tensor:
        """Return the same shape."""
        return self.attend(x_bnc, x_bnc, x_bnc, self.position(x_bnc))


def qkv() -> tuple[Tensor, ...]:
    x = checks.normal(3, WINDOWS, QUERIES + 2 * KEYS, 6)
    return x[:, :, :QUERIES], x[:, :, QUERIES : QUERIES + KEYS], x[:, :, QUERIES + KEYS :]


MAPS = checks.normal(3, WINDOWS, HEADS, QUERIES, KEYS)
LAYERS: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
    "attend": (Windowed(Attend(HEADS, 0.5), bias=bias(1), mask=mask()), qkv()),
    "scores": (Windowed(Scores(HEADS, 0.5), bias=bias(WINDOWS)), qkv()[:2]),
    "modulate": (Windowed(Modulate(HEADS), bias=bias(1), mask=mask()), qkv()[:2]),
    "gather": (Windowed(Gather()), (MAPS, qkv()[2])),
    "query_bias": (QueryBias((3, 4), 2, 3), (checks.normal(3, 12, 6),)),
    "attend, a bias for each image": (Biased(), (checks.normal(3, 12, 6),)),
    **{
        name: (Windowed(Weigh(name, "tokens", KEYS), mask=mask()), (MAPS,))
        for name in ("softmax", "relu", "gelu", "layer", "batch", "none")
    },
}


ALIKE = {"relu", "gelu", "layer", "none"}
"""Beside softmax and batch norms, these are what `torch.nn` has."""


@pytest.mark.parametrize("name", all_of_them([name for name in LAYERS if name not in ALIKE], [*LAYERS]))
def test_compiles_exports_copies(name: str) -> None:
    layer, tensors = LAYERS[name]
    layer = checks.randomize(layer)
    checks.assert_copies(layer, *tensors)
    checks.assert_compiles(layer, *tensors)
    checks.assert_exports(layer, *tensors)
