"""Where items act: extra tokens pass a residual operator of the grid by as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import vitdsl
from vitdsl.memo import forget
from vitdsl.parts import registry
from vitdsl.parts.base import Primitive
from vitdsl.parts.primitives.scale import Scale

GRID_ROLES: dict[str, Any] = {
    "conv": {"kernel": 3},
    "fold": {"kernel": 1},
    "unfold": {"kernel": 1},
    "resize": {"scale": 1},
    "pool": {"type": "mean", "kernel": 3, "stride": 1},
    "peg": 3,
}
"""Fields with which each role whose part acts on the grid gives the grid that it takes."""
ITEMS = {
    **{role: {role: fields} for role, fields in GRID_ROLES.items()},
    "conv_by_kernels": {"conv": {"kernel": 3, "kernels": {"count": 2}}},
    "conv_by_position": {"conv": {"kernel": 3, "kernels": {"by": "position"}}},
    "conv_norm": {"conv": {"kernel": 3, "norm": "batch", "activation": "relu"}},
    "max": {"pool": {"type": "max", "kernel": 3, "stride": 1}},
    "to_image": {"resize": "image"},
}
WIRING: dict[str, dict[str, Any]] = {
    "plain": {},
    "pre": {"pre": "layer", "post": "layer"},
    "scaled": {
        "layer_scale": 0.5,
        "residual": {"input": 2, "output": 0.5, "after": "relu", "shortcut": [{"scale": 3}]},
    },
    "dropped": {"drop_path": 1},
    "windows": {"windows": 2},
    "all": {"at": "all"},
    "list": {"at": ["cls", "grid"]},
    "stream": {"at": "x"},
    "written": {"write": "kept"},
    "repeated": {"repeat": 2},
    "from": {"from": "other"},
}


def tried(item: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The learned tokens, and what comes out behind an item, in training."""
    stage = {"tokenizer": {"type": "patch", "size": 1, "dim": 4}}
    stages = [
        {**stage, "stream": "other", "tokens": ["reg"]},
        {**stage, "stream": "x", "from": "image", "tokens": ["cls", "dist"], "body": [item]},
    ]
    torch.manual_seed(0)
    model = vitdsl.build({"input": {"size": 4}, "classes": 0, "stages": stages, "head": []}).train()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
        tokens = [model.get_parameter(f"stages.1.tokens.{name}").flatten() for name in ("cls", "dist")]
        return torch.stack(tokens), model(torch.rand(2, 3, 4, 4))


@pytest.mark.parametrize(
    ("name", "wiring"),
    [
        *((name, wiring) for name in ITEMS for wiring in ("pre", "dropped")),
        *(("conv", wiring) for wiring in WIRING if wiring not in ("pre", "dropped")),
    ],
)
def test_extra_tokens_pass_a_residual_operator_of_the_grid(name: str, wiring: str) -> None:
    item = {"residual": True, **ITEMS[name], **WIRING[wiring]}
    tokens, found = tried(item)
    assert torch.equal(found[:, :2], tokens.expand(2, 2, 4))
    said = {**item, "at": "grid", **({"from": "other.grid"} if "from" in item else {})}
    assert torch.equal(found, tried(said)[1])


def test_a_residual_body_adds_all_that_enters_it() -> None:
    tokens, found = tried({"residual": True, "body": [{"conv": {"kernel": 3}}]})
    assert torch.equal(found[:, :2], 2 * tokens.expand(2, 2, 4))


def test_other_operators_act_on_all_tokens() -> None:
    tokens, found = tried({"residual": True, "scale": 2})
    assert torch.equal(found[:, :2], 3 * tokens.expand(2, 2, 4))


def test_the_trait_says_what_acts_on_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(Scale, "on_grid", True)
    tokens, found = tried({"residual": True, "scale": 2})
    forget()
    assert torch.equal(found[:, :2], tokens.expand(2, 2, 4))


def test_a_grid_that_shrinks_has_a_shortcut_that_does() -> None:
    item = {"residual": {"shortcut": [{"conv": {"kernel": 1, "stride": 2}}]}, "conv": {"kernel": 3, "stride": 2}}
    tokens, found = tried(item)
    assert found.shape == (2, 2 + 4, 4)
    assert torch.equal(found[:, :2], tokens.expand(2, 2, 4))


def test_every_role_of_the_grid_is_tried() -> None:
    parts = [registry.part_class(name) for name in registry.files()]
    found = {cls.family for cls in parts if cls is not None and issubclass(cls, Primitive) and cls.on_grid}
    assert {family for family in found if registry.is_role(family)} | {"pool", "peg"} == set(GRID_ROLES)
