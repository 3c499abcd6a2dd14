"""Parts that no shipped spec uses, and that no record holds: each against a plain loop in float64, through a spec."""

import math

import pytest
import torch

from tests.forms.loops import Case, attend, convolve, gelu, grid, layer_norm, sees

PLAIN = "residual: false, pre: none"


def qkv(case: Case, parts: int = 3) -> tuple[torch.Tensor, ...]:
    return case.linear("mixer." + "qkv"[:parts], case.x).chunk(parts, -1)


@pytest.mark.parametrize("position", ["none", "relative_bias", "on_keys"])
def test_depthwise_kernel(position: str):
    case = Case(f"{{mixer: {{type: depthwise, heads: 2, out: none, position: {position}}}, {PLAIN}}}")
    q, k = qkv(case, 2)
    if position == "on_keys":
        k = k + case["mixer.position.weight"].reshape(k.shape[1:])
    p = case.module("mixer.position")()[0] if position == "relative_bias" else torch.zeros(2, 12, 12)
    y = torch.zeros_like(q)
    for n in range(12):
        for c in range(6):
            y[:, n, c] = q[:, n, c] * sum(k[:, m, c] for m in range(12)) / 12
            y[:, n, c] += sum(p[c // 3, n, m] * k[:, m, c] for m in range(12))
    case.equals(y)


def test_depthwise_kernel_in_shifted_windows_that_are_filled_up():
    fields = "type: depthwise, heads: 2, out: none, position: relative_bias"
    case = Case(f"{{mixer: {{{fields}}}, windows: {{size: 3, shift: 1, fit: pad}}, {PLAIN}}}", 4, 5)
    q, k = qkv(case, 2)
    seen, table = sees(4, 5, 3, 1), case.module("mixer.position")()[0]
    y = torch.zeros_like(q)
    for n in range(20):
        keys = [m for m in range(20) if seen[n, m]]
        for c in range(6):
            y[:, n, c] = q[:, n, c] * sum(k[:, m, c] for m in keys) / len(keys)
            y[:, n, c] += sum(table[c // 3, _in_window(n, 4, 5), _in_window(m, 4, 5)] * k[:, m, c] for m in keys)
    case.equals(y)


def _in_window(cell: int, height: int, width: int, size: int = 3, shift: int = 1) -> int:
    """The place of a cell in its own window."""
    row, column = divmod(cell, width)
    high, wide = -(-height // size) * size, -(-width // size) * size
    return (row - shift) % high % size * size + (column - shift) % wide % size


@pytest.mark.parametrize("share", [False, True])
def test_lowrank(share: bool):
    case = Case(f"{{mixer: {{type: lowrank, rank: 5, share: {str(share).lower()}, heads: 2, out: none}}, {PLAIN}}}")
    if share:
        mixed = torch.einsum("km,bmc->bkc", case["mixer.bank.0.linear.weight"], case.x)
        k, v = case.linear("mixer.kv", mixed).chunk(2, -1)
    else:
        mixed_k, mixed_v = (
            torch.einsum("km,bmc->bkc", case[f"mixer.projection.{n}.0.linear.weight"], case.x) for n in "kv"
        )
        k, v = case.linear("mixer.k", mixed_k), case.linear("mixer.v", mixed_v)
    case.equals(attend(case.linear("mixer.q", case.x), k, v, 2))


def test_subsampled():
    case = Case(f"{{mixer: {{type: subsampled, stride: 2, norm: layer, heads: 3}}, {PLAIN}}}", 4, 6)
    bank = convolve(grid(case.x, 4, 6), case["mixer.bank.0.conv.weight"], case["mixer.bank.0.conv.bias"], 2, 0, 1)
    bank = layer_norm(
        bank.flatten(2).transpose(1, 2), case["mixer.bank.0.conv.norm.weight"], case["mixer.bank.0.conv.norm.bias"]
    )
    k, v = case.linear("mixer.kv", bank).chunk(2, -1)
    case.equals(case.linear("mixer.out", attend(case.linear("mixer.q", case.x), k, v, 3)))


def test_reattention():
    case = Case(f"{{mixer: {{type: reattention, heads: 3, factor: 0.7, out: none}}, {PLAIN}}}")
    q, k, v = (x.unflatten(2, (3, 2)) for x in qkv(case))
    theta, shift = case["mixer.maps.after.0.linear.weight"], case["mixer.maps.after.0.linear.bias"]
    norm = {name: case[f"mixer.maps.after.1.norm.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    y = torch.zeros(2, 12, 3, 2, dtype=torch.float64)
    for b in range(2):
        for n in range(12):
            rows = [
                torch.softmax(torch.stack([q[b, n, h] @ k[b, m, h] for m in range(12)]) / math.sqrt(2), 0)
                for h in range(3)
            ]
            for h in range(3):
                row = shift[h] + sum(theta[h, g] * rows[g] for g in range(3))
                row = (row - norm["running_mean"][h]) / torch.sqrt(norm["running_var"][h] + 1e-5) * norm["weight"][h]
                y[b, n, h] = sum(0.7 * (row[m] + norm["bias"][h]) * v[b, m, h] for m in range(12))
    case.equals(y.flatten(2))


def test_reattention_runs_items_of_its_own_behind_those_that_it_makes():
    given = "type: reattention, heads: 3, factor: 0.7, out: none"
    plain = Case(f"{{mixer: {{{given}}}, {PLAIN}}}")
    scaled = Case(f"{{mixer: {{{given}, maps: {{after: [{{scale: 3.0}}]}}}}, {PLAIN}}}")
    assert scaled.model.state_dict().keys() == plain.model.state_dict().keys()
    scaled.equals(3 * plain.y)


def test_ghost():
    case = Case(f"{{mlp: {{type: ghost, ratio: 1.5, copies: 2}}, {PLAIN}}}")
    hidden = gelu(case.linear("mlp.fc1", case.x))
    copies = [gelu(hidden * case[f"mlp.between.0.{number}.0.norm.weight"]) for number in (1, 2)]
    case.equals(case.linear("mlp.fc2", torch.cat([hidden, *copies], -1)))


def test_inverted():
    case = Case(
        f"{{mlp: {{type: inverted, ratio: 2, stride: 2, kernel: 3, activation: relu, norm: batch}}, {PLAIN}}}", 5, 4
    )

    def normed(y: torch.Tensor, path: str, axis: int) -> torch.Tensor:
        shape = [-1 if place == axis else 1 for place in range(y.ndim)]
        value = {name: case[f"{path}.{name}"].view(shape) for name in ("weight", "bias", "running_mean", "running_var")}
        return (y - value["running_mean"]) / torch.sqrt(value["running_var"] + 1e-5) * value["weight"] + value["bias"]

    wide = normed(case.linear("mlp.fc1", case.x), "mlp.fc1.norm", 2).clamp(min=0)
    conv = convolve(grid(wide, 5, 4), case["mlp.between.0.conv.weight"], None, 2, 1, 12)
    conv = normed(conv, "mlp.between.0.conv.norm", 1).clamp(min=0)
    case.equals(normed(case.linear("mlp.fc2", conv.flatten(2).transpose(1, 2)), "mlp.fc2.norm", 2))


def test_squeeze():
    case = Case("{squeeze: 2}")
    mean = sum(case.x[:, n] for n in range(12)) / 12
    gate = case.linear("1.1.mlp.fc2", case.linear("1.1.mlp.fc1", mean).clamp(min=0))
    case.equals(case.x / (1 + torch.exp(-gate))[:, None])


@pytest.mark.parametrize(("size", "shift"), [(3, 0), (3, 1), (2, 1), (4, 2), (5, 3)])
def test_windows_that_are_shifted_and_filled_up(size: int, shift: int):
    fields = f"type: windowed, windows: {size}, shift: {shift}, fit: pad, heads: 2, out: none"
    case = Case(f"{{mixer: {{{fields}}}, {PLAIN}}}", 6, 7)
    case.equals(attend(*qkv(case), 2, seen=sees(6, 7, size, shift)))


REPLACED = {
    "relu": lambda row: [max(0.0, value) for value in row],
    "gelu": lambda row: [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in row],
    "none": lambda row: row,
    "layer": lambda row: [
        (value - sum(row) / len(row))
        / math.sqrt(sum((other - sum(row) / len(row)) ** 2 for other in row) / len(row) + 1e-5)
        for value in row
    ],
}


@pytest.mark.parametrize("windows", ["", ", windows: {size: 3, shift: 1, fit: pad}"], ids=["whole", "windows"])
@pytest.mark.parametrize(("normalize", "power"), [("none", 0.0), ("tokens", 1.0), ("sqrt_tokens", 0.5)])
@pytest.mark.parametrize("activation", REPLACED)
def test_what_replaces_softmax(activation: str, normalize: str, power: float, windows: str):
    fields = f"type: global, heads: 2, activation: {activation}, normalize: {normalize}, out: none"
    case = Case(f"{{mixer: {{{fields}}}, {PLAIN}{windows}}}", 4, 5)
    seen = sees(4, 5, 3, 1) if windows else None
    case.equals(attend(*qkv(case), 2, lambda row: [w / len(row) ** power for w in REPLACED[activation](row)], seen))


def test_softmax_replaced_by_batch_norm():
    case = Case(f"{{mixer: {{type: global, heads: 2, activation: batch, normalize: tokens, out: none}}, {PLAIN}}}")
    mean, var = case["mixer.weigh.norm.running_mean"], case["mixer.weigh.norm.running_var"]
    case.equals(attend(
        *qkv(case), 2, lambda row: [(w - float(mean[m])) / math.sqrt(float(var[m]) + 1e-5) / 12 for m, w in enumerate(row)]
    ))  # fmt: skip


def test_fold_is_the_way_back():
    case = Case("{fold: [2, 3]}", 2, 3, 12)
    x, y = grid(case.x, 2, 3), torch.zeros(2, 2, 4, 9, dtype=torch.float64)
    for c in range(2):
        for r in range(4):
            for s in range(9):
                y[:, c, r, s] = x[:, c * 6 + r % 2 * 3 + s % 3, r // 2, s // 3]
    case.equals(y.flatten(2).transpose(1, 2))
    both = Case("{unfold: [2, 3]}, {fold: [2, 3]}", 4, 6)
    both.equals(both.x)


def test_sequence_pool():
    case = Case("{pool: sequence}")
    weights = torch.softmax(case.linear("pool", case.x)[..., 0], 1)
    case.equals(sum(weights[:, n, None] * case.x[:, n] for n in range(12)))


def test_cross_with_a_norm_of_its_own():
    items = "{linear: {dim: 10}, write: other, at: all}, {from: image}, "
    mixer = "{mixer: {type: cross, heads: 2, keys: {from: other, pre: rms}, out: none}, pre: layer, residual: {shortcut: []}}"
    case = Case(items + mixer)
    other = case.linear("linear", case.x)
    weights = {key.removeprefix("stages.0.body.2."): value for key, value in case.model.state_dict().items()}
    bank = other / torch.sqrt((other**2).mean(-1, keepdim=True) + 1e-6) * weights["keys.weight"]
    x = layer_norm(case.x, weights["pre.weight"], weights["pre.bias"])
    q = x @ weights["mixer.q.weight"].T + weights["mixer.q.bias"]
    k, v = (bank @ weights["mixer.kv.weight"].T + weights["mixer.kv.bias"]).chunk(2, -1)
    case.equals(case.x + attend(q, k, v, 2))


def test_mlp_over_tokens():
    case = Case(f"{{mlp: {{over: tokens, hidden: 7}}, {PLAIN}}}")
    hidden = gelu(torch.einsum("kn,bnc->bkc", case["mlp.fc1.weight"], case.x) + case["mlp.fc1.bias"][:, None])
    case.equals(torch.einsum("nk,bkc->bnc", case["mlp.fc2.weight"], hidden) + case["mlp.fc2.bias"][:, None])
