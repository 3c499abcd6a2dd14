import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.layers import checks
from vitdsl.layers.positions import OnKeys
from vitdsl.layers.relative import GatheredBias, OffsetBias, RelativeBias
from vitdsl.layers.relative_2d import Relative2d

WINDOW = (3, 5)


def cells(grid: tuple[int, int]) -> list[tuple[int, int]]:
    return list(itertools.product(range(grid[0]), range(grid[1])))


def test_relative_bias_is_the_loop() -> None:
    layer = checks.randomize(RelativeBias(2, WINDOW))
    (h, w), places = WINDOW, cells(WINDOW)
    expected = torch.empty(1, 2, 15, 15, dtype=torch.float64)
    for (q, (y, x)), (k, (i, j)) in itertools.product(enumerate(places), enumerate(places)):
        expected[0, :, q, k] = layer.weight[(y - i + h - 1) * (2 * w - 1) + x - j + w - 1].detach()
    assert torch.equal(layer().detach(), expected)
    assert checks.parameters(layer) == 5 * 9 * 2
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("keys", "queries", "stride", "offsets"),
    [
        ((4, 3), None, 1, (4, 3)),
        ((5, 4), None, 2, (5, 4)),
        ((14, 14), (7, 7), 2, (14, 14)),
        ((3, 3), (4, 2), 2, (7, 3)),
    ],
)
def test_offset_bias_is_the_loop(
    keys: tuple[int, int], queries: tuple[int, int] | None, stride: int, offsets: tuple[int, int]
) -> None:
    layer = checks.randomize(OffsetBias(2, keys, queries, stride))
    assert layer.offset_grid == offsets
    assert layer.weight.shape == (2, offsets[0] * offsets[1])
    places = cells(layer.query_grid)
    found = layer().detach()
    assert found.shape == (1, 2, len(places), keys[0] * keys[1])
    for (q, (y, x)), (k, (i, j)) in itertools.product(enumerate(places), enumerate(cells(keys))):
        entry = abs(stride * y - i) * offsets[1] + abs(stride * x - j)
        assert torch.equal(found[0, :, q, k], layer.weight[:, entry].detach())


def test_relative_2d_is_the_loop() -> None:
    grid, heads, d = (3, 4), 2, 5
    layer = checks.randomize(Relative2d(grid, d))
    q = checks.normal(2, heads, 12, d)
    expected = torch.empty(2, heads, 12, 12, dtype=torch.float64)
    for (n, (y, x)), (m, (i, j)) in itertools.product(enumerate(cells(grid)), enumerate(cells(grid))):
        table = layer.height[i - y + 2] + layer.width[j - x + 3]
        expected[:, :, n, m] = (q[:, :, n] * table).sum(-1).detach()
    torch.testing.assert_close(layer(q).detach(), expected, rtol=0, atol=1e-13)
    assert checks.parameters(layer) == 2 * (3 + 4 - 1) * d
    assert checks.multiply_adds(layer, q[:1]) == heads * 12 * (3 + 4) * d


def test_on_keys_adds_its_table() -> None:
    layer, k = checks.randomize(OnKeys((2, 3), 4)), checks.normal(3, 6, 4)
    assert torch.equal(layer(k), k + layer.weight)
    assert OnKeys(6, 4).weight.shape == layer.weight.shape == (1, 6, 4)


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...]]] = {
    "relative_bias": (lambda: RelativeBias(2, WINDOW), ()),
    "offset_bias": (lambda: OffsetBias(2, (5, 4), stride=2), ()),
    "relative_2d": (lambda: Relative2d((3, 4), 5), (checks.normal(3, 2, 12, 5),)),
    "on_keys": (lambda: OnKeys((3, 4), 5), (checks.normal(3, 12, 5),)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_compiles_exports_copies(name: str) -> None:
    make, inputs = LAYERS[name]
    layer = checks.randomize(make())
    checks.assert_copies(layer, *inputs)
    checks.assert_compiles(layer, *inputs)
    checks.assert_exports(layer, *inputs)


@pytest.mark.parametrize("name", LAYERS)
def test_takes_device_and_dtype_and_leaves_the_meta_device(name: str) -> None:
    make, inputs = LAYERS[name]
    expected = checks.randomize(make())
    with torch.device("meta"):
        emptied, assigned = make(), make()
    assert all(p.is_meta for p in emptied.parameters())
    emptied = emptied.double().to_empty(device="cpu")
    emptied.load_state_dict(expected.state_dict())
    assigned.load_state_dict(expected.state_dict(), assign=True)
    assert torch.equal(emptied(*inputs), expected(*inputs))
    assert torch.equal(assigned(*inputs), expected(*inputs))


BIASES = {"relative": lambda: RelativeBias(2, WINDOW), "offset": lambda: OffsetBias(2, (5, 4), stride=2)}


@pytest.fixture(params=BIASES)
def bias(request: pytest.FixtureRequest) -> GatheredBias:
    layer = BIASES[request.param]()
    checks.randomize(layer)
    return layer


def assert_fresh(layer: GatheredBias) -> None:
    with torch.no_grad():
        assert torch.equal(layer(), layer.gather())


@torch.no_grad()
def test_map_is_kept_in_evaluation(bias: GatheredBias) -> None:
    assert bias() is bias()
    bias.train()
    assert bias() is not bias()


def test_map_is_made_anew_where_a_gradient_is_needed(bias: GatheredBias) -> None:
    with torch.no_grad():
        kept = bias()
    found = bias()
    assert found is not kept
    found.sum().backward()
    assert bias.weight.grad is not None
    bias.weight.requires_grad_(False)
    assert bias() is bias()


def test_map_kept_in_inference_mode_serves_a_later_backward(bias: GatheredBias) -> None:
    bias.requires_grad_(False)
    with torch.inference_mode():
        kept = bias()
    assert not kept.is_inference()
    x = torch.ones_like(kept, requires_grad=True)
    (bias() * x).sum().backward()
    assert torch.equal(x.grad, kept)


@torch.no_grad()
def test_map_is_dropped(bias: GatheredBias) -> None:
    old = bias()
    bias.load_state_dict({"weight": torch.full_like(bias.weight, 2.0)})
    assert (bias() == 2.0).all()
    bias.load_state_dict({"weight": torch.full_like(bias.weight, 3.0)}, assign=True)
    assert (bias() == 3.0).all()
    bias.weight.fill_(4.0)
    assert (bias() == 4.0).all()
    bias.weight = nn.Parameter(torch.full_like(bias.weight, 5.0))
    assert (bias() == 5.0).all()
    other = torch.func.functional_call(bias, {"weight": torch.full_like(bias.weight, 6.0)}, ())
    assert (other == 6.0).all()
    assert (bias() == 5.0).all()
    assert bias.float()().dtype == torch.float32
    assert bias.double()().dtype == old.dtype == torch.float64
    assert_fresh(bias)


@torch.no_grad()
def test_map_is_dropped_by_an_optimizer_step_in_evaluation(bias: GatheredBias) -> None:
    bias()
    optimizer = torch.optim.SGD(bias.parameters(), lr=1.0)
    bias.weight.grad = torch.ones_like(bias.weight)
    optimizer.step()
    assert_fresh(bias)


@torch.no_grad()
def test_traced_programs_read_the_weight_and_not_the_kept_map(bias: GatheredBias) -> None:
    bias()
    compiled = torch.compile(bias, fullgraph=True, backend="eager")
    compiled()
    programs = [torch.export.export(bias, (), strict=strict).module() for strict in (False, True)]
    bias.weight.fill_(7.0)
    assert (compiled() == 7.0).all()
    for program in programs:
        program.load_state_dict({"weight": torch.full_like(bias.weight, 8.0)}, strict=False)
        assert (program() == 8.0).all()


@torch.no_grad()
def test_map_is_in_no_file(bias: GatheredBias) -> None:
    bias()
    assert bias.__getstate__()["_cache"] is None
    assert bias._cache is not None


@torch.no_grad()
def test_a_fake_map_is_not_kept(bias: GatheredBias) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        bias()
    assert type(bias()) is Tensor
    assert_fresh(bias)


def test_resize_keeps_what_fits_and_offset_zero() -> None:
    layer = checks.randomize(RelativeBias(2, WINDOW))
    assert torch.equal(RelativeBias.resize(layer.weight, WINDOW, WINDOW), layer.weight)
    resized = RelativeBias.resize(layer.weight, WINDOW, (4, 6))
    assert resized.shape == (7 * 11, 2)
    torch.testing.assert_close(resized[3 * 11 + 5], layer.weight[2 * 9 + 4])
    offset = checks.randomize(OffsetBias(2, (3, 5)))
    assert torch.equal(OffsetBias.resize(offset.weight, (3, 5), (3, 5)), offset.weight)
    resized = OffsetBias.resize(offset.weight, (3, 5), (4, 7))
    assert resized.shape == (2, 28)
    torch.testing.assert_close(resized[:, 0], offset.weight[:, 0])


def test_resize_of_tables_along_offsets() -> None:
    table = torch.arange(-4.0, 5.0, dtype=torch.float64)[:, None].expand(9, 3)
    resized = Relative2d.resize(table, 5, 3)
    assert resized.shape == (5, 3)
    torch.testing.assert_close(resized[:, 0], torch.tensor([-2, -1, 0, 1, 2], dtype=torch.float64) * 9 / 5)
    assert Relative2d.resize(table, 5, 5) is table
    with pytest.raises(ValueError, match="4 rows need 7 offsets, found 9"):
        Relative2d.resize(table, 4, 5)
    assert OnKeys.resize(OnKeys((2, 3), 4).weight, (2, 3), (4, 5)).shape == (1, 20, 4)
