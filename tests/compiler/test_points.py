"""Models whose points are modules: they compute the same, and each point can be watched and replaced."""

from typing import Any

import pytest
import torch
from torch import nn

import vitdsl
from vitdsl.compiler.points import build_with_points
from vitdsl.graph.verify import verify
from vitdsl.graph.views.points import point_names

HEAD = {"pool": "mean"}
TOKENIZER = {"type": "patch", "size": 4, "dim": 16}
MLP = {"mlp": {"ratio": 2}}
STAGES: dict[str, dict[str, Any]] = {
    "after a tokenizer": {"body": [{"point": "here"}, MLP]},
    "in each repetition": {"depth": 3, "block": [{"mixer": {"type": "global", "heads": 2}}, {"point": "here"}, MLP]},
    "with extra tokens": {"tokens": ["cls"], "body": [MLP, {"point": "here"}, MLP]},
    "in a residual body": {"body": [{"body": [{"point": "here"}, MLP], "residual": True}, MLP]},
    "in windows": {"body": [{"windows": {"size": 2}, "body": [MLP, {"point": "here"}, MLP]}]},
    "shifted windows": {
        "body": [
            {"windows": {"size": 2, "shift": 1}, "body": [{"point": "here"}, {"mixer": {"type": "global", "heads": 2}}]}
        ]
    },
    "in a branch": {"body": [{"parallel": [[{"point": "here"}, MLP], [MLP]], "merge": "add"}, MLP]},
    "attention maps": {
        "tokens": ["cls"],
        "depth": 2,
        "block": [{"mixer": {"type": "global", "heads": 2, "maps": {"after": [{"point": "here"}]}}}, MLP],
    },
    "a stream": {"body": [MLP, {"write": "memo"}, MLP, {"from": "memo", "body": [{"point": "here"}], "write": "memo"},
                          {"from": "memo", "linear": 16, "residual": {"input": 1, "output": 1}}]},
    "at the end": {"body": [MLP, {"point": "here"}]},
}  # fmt: skip


def spec_of(stage: dict[str, Any], head: Any = HEAD) -> vitdsl.Spec:
    text = {"input": {"size": 16}, "classes": 3, "drop_path": 0.2, "stages": [{"tokenizer": TOKENIZER, **stage}]}
    return vitdsl.load({**text, "head": head})


def specs() -> dict[str, vitdsl.Spec]:
    in_head = {"body": [{"from": "grid"}, {"point": "here"}, {"pool": "mean"}, "classifier"]}
    return {**{name: spec_of(stage) for name, stage in STAGES.items()}, "head": spec_of({"body": [MLP]}, in_head)}


@pytest.mark.parametrize("name", [*STAGES, "head"])
def test_a_model_with_points_is_the_same_and_gives_them(name: str) -> None:
    spec = specs()[name]
    torch.manual_seed(0)
    plain = vitdsl.build(spec)
    torch.manual_seed(0)
    model, points = build_with_points(spec, ["here"])
    verify(model.lowered)
    assert [*model.state_dict()] == [*plain.state_dict()]
    assert points["here"]
    found: dict[str, torch.Tensor] = {}
    for path, _ in points["here"]:
        model.get_submodule(path).register_forward_hook(lambda m, i, output, path=path: found.update({path: output}))
    images = torch.randn(2, 3, 16, 16)
    for training in (True, False):
        plain.train(training)
        model.train(training)
        found.clear()
        torch.manual_seed(1)
        expected = plain(images)
        torch.manual_seed(1)
        assert torch.equal(model(images), expected)
        assert [*found] == [path for path, _ in points["here"]]
        for path, feature in points["here"]:
            batch = len(found[path])
            grid = feature.grid if not feature.tokens else None
            inner = (feature.dim, *grid) if grid else (feature.num_tokens, feature.dim)
            assert found[path].shape == (batch, *inner)
            assert batch % 2 == 0


def test_a_replaced_point_changes_what_follows_it() -> None:
    model, points = build_with_points(spec_of(STAGES["in each repetition"]), ["here"])
    model.eval()
    images = torch.randn(2, 3, 16, 16)
    before = model(images)

    class Zero(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

    (*_, last) = points["here"]
    model.set_submodule(last.path, Zero())
    after = model(images)
    assert not torch.equal(before, after)
    assert torch.equal(after[0], after[1])  # nothing of the images is left


def test_points_are_opened_by_name() -> None:
    stage = {"body": [{"point": "one"}, MLP, {"point": "two"}]}
    assert point_names(spec_of(stage).graph()) == ["one", "two"]
    model, points = build_with_points(spec_of(stage), ["two"])
    assert [*points] == ["two"]
    assert "_points.two" in model.code
    assert "_points.one" not in model.code


@pytest.mark.parametrize("name", ["lvvit_t", "patchvit_small"])
def test_points_of_shipped_specs(name: str) -> None:
    spec = vitdsl.load(name)
    names = point_names(spec.graph())
    with torch.device("meta"):
        model, points = build_with_points(spec, names, device="meta")
    assert all(len(modules) == 1 for modules in points.values())
    assert [*model.state_dict()] == [*vitdsl.build(spec, device="meta").state_dict()]
