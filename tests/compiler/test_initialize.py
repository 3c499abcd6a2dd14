"""What `init` says, in a part or by family, is what a new model begins with."""

import pytest
import torch

import vitdsl
from tests.parts.test_contract import PRIMITIVES
from vitdsl.compiler.initialize import FILLS, with_initial_values
from vitdsl.parts.initial import Init
from vitdsl.testing import make

INITIAL = {name: cls for name, cls in PRIMITIVES.items() if "init" in cls.fields and name != "dynamic_conv"}
"""Of a dynamic convolution `init` fills the kernels; the maps that make or weigh them start as torch's."""
MODEL = """
input: {size: 32}
stages:
  - tokenizer: {type: patch, size: 8, dim: 12}
    depth: 2
    block: [{mixer: {type: global, heads: 3, position: POSITION}}]
head: {pool: mean}
init: {bias: 3, linear: 0.5}
"""
POSITIONS = ["relative_bias", "offset_bias", "relative_2d", "on_keys"]


@pytest.mark.parametrize("name", INITIAL)
def test_a_part_that_takes_init_is_filled_with_it(name: str) -> None:
    for fields, features in INITIAL[name].examples():
        op = make(INITIAL[name], **{**fields, "init": 7.0})
        layer = with_initial_values(op.layer(*features), op, {})()
        for key, weight in layer.named_parameters():
            assert (weight == (0.0 if key == "bias" else 7.0)).all(), key


def tables(position: str) -> dict[str, set[float]]:
    """The values in the tables of a model's positions, by block and table."""
    state = vitdsl.build(vitdsl.load(MODEL.replace("POSITION", position))).state_dict()
    return {
        key.removeprefix("stages.0.block."): set(table.flatten().tolist())
        for key, table in state.items() if ".position." in key
    }  # fmt: skip


@pytest.mark.parametrize("position", POSITIONS)
def test_positions_begin_as_their_family_their_part_or_a_late_value_says(position: str) -> None:
    names = ("height", "width") if position == "relative_2d" else ("weight",)
    paths = [f"{block}.0.mixer.position.{name}" for block in (0, 1) for name in names]
    assert tables(position) == {path: {3.0} for path in paths}
    assert tables(f"{{type: {position}, init: 5}}") == {path: {5.0} for path in paths}
    assert tables(f"{{type: {position}, init: $(dim + index)}}") == {path: {12.0 + int(path[0])} for path in paths}
    torch.manual_seed(0)
    assert all(len(values) > 1 for values in tables(f"{{type: {position}, init: normal}}").values())


def test_linear_maps_of_tokens_begin_as_linear_maps() -> None:
    spec = "stages: [{body: [{linear: {dim: 4, over: tokens}}]}]\nclasses: 0\ninit: {linear: 2}\ninput: {size: 3}"
    weights = dict(vitdsl.build(vitdsl.load(spec)).named_parameters())
    assert {key.rpartition(".")[2]: set(weight.flatten().tolist()) for key, weight in weights.items()} == {
        "weight": {2.0},
        "bias": {0.0},
    }


@pytest.mark.parametrize("std", [0.02, 0.19, 0.21, 1.0, 3.0])
def test_a_normal_distribution_that_is_cut_stays_within_two(std: float) -> None:
    torch.manual_seed(0)
    weight = torch.empty(500, 500)
    FILLS["trunc_normal"](Init(type="trunc_normal", std=std))(weight)
    cut = torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(2 / std)).exp() * (2 / std)
    inside = torch.erf(torch.tensor(2 / std / 2**0.5))
    assert weight.abs().max() <= 2
    assert abs(weight.std() - std * (1 - 2 * cut / inside).sqrt()) < 0.01 * std
