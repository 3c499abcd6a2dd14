"""Which values lie on a grid of the image."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import vitdsl
from vitdsl.features import Feature
from vitdsl.graph.image_grids import on_image
from vitdsl.parts import registry
from vitdsl.parts.base import Primitive

MIXER = {"type": "global", "heads": 2, "maps": {"after": [{"write": "kept"}]}}
PAIR: list[Any] = [{"mixer": {"type": "global", "heads": 2}}, {"mlp": {"ratio": 1}}]


def spec(*more: dict[str, Any], size: Any = 64, first: tuple[Any, ...] = (), patch: int = 4) -> dict[str, Any]:
    """A stage that keeps its attention maps as a stream, and other stages behind it."""
    stage = {"tokenizer": [*first, {"conv": {"dim": 16, "kernel": patch, "stride": patch}}], "body": [{"mixer": MIXER}]}
    return {"input": {"size": size}, "classes": 3, "stages": [stage, *more], "head": {"from": "x", "pool": "mean"}}


def streams(tree: dict[str, Any]) -> dict[str, bool]:
    """Of each stream behind a stage, whether it lies on a grid of the image."""
    frame = vitdsl.load(tree).graph().frame
    there = on_image(frame)
    return {
        name: number in there for step in frame.steps if hasattr(step, "gives") for name, number in step.gives.items()
    }


def test_attention_maps_are_none_of_the_image() -> None:
    helper = {
        "stream": "side",
        "from": "kept",
        "body": [{"conv": {"kernel": 3, "stride": 2}}, {"repeat": 2, "body": PAIR}],
    }
    assert streams(spec(helper)) == {"x": True, "kept": False, "side": False, "@logits": False}


def test_an_image_that_asks_maps_stays_one_and_maps_that_ask_an_image_do_not() -> None:
    linear = {"linear": {"dim": 16}}
    side = {"stream": "side", "from": "kept", "body": [{"pool": {"type": "mean", "kernel": 8}}, linear]}
    asks = {"type": "cross", "heads": 2, "maps": {"before": [{"scale": 2}]}}
    both = {
        "stream": "x",
        "body": [{"mixer": {**asks, "keys": "side"}}, {"at": "side", "mixer": {**asks, "keys": "x"}}],
    }
    found = streams(spec(side, both))
    assert (found["x"], found["side"]) == (True, False)


@pytest.mark.parametrize(
    ("tree", "reductions"),
    [
        (spec(), [4]),
        (spec({"stream": "x", "tokenizer": "merge", "body": PAIR}), [4, 8]),
        (spec({"stream": "list", "from": "none", "tokens": {"count": 4, "dim": 8}, "body": PAIR}), [4]),
        (spec(first=({"resize": 32},)), [8]),
        (spec(first=({"resize": 256},), size=64, patch=8), [2]),
        (spec(first=({"resize": 256},), size=32, patch=4), [0.5]),
        (spec({"stream": "up", "from": "x", "body": [{"resize": "image"}, {"mlp": {"ratio": 1}}]}), [4, 1]),
        (spec(first=({"resize": 60},)), [4]),
        (spec(size=[32, 64]), [4]),
    ],
)
def test_feature_info_lists_grids_of_the_image(tree: dict[str, Any], reductions: list[float]) -> None:
    model = vitdsl.build(tree, device="meta")
    assert [info["reduction"] for info in model.feature_info] == reductions
    size = model.image_size
    maps = model.forward_intermediates(torch.empty(1, 3, *size, device="meta"), intermediates_only=True)
    assert isinstance(maps, list)
    for each, info in zip(maps, model.feature_info, strict=True):
        assert each.shape[1] == info["num_chs"]
        rows = size[0] / each.shape[2]
        assert info["reduction"] == (rows if rows < 1 else round(rows))


def test_operators_that_make_pairs_say_so() -> None:
    """An output that is as high as one input has tokens, and as wide as one has, is a grid of pairs."""
    parts = {name: registry.part_class(name) for name in registry.files()}
    ours = {name: cls for name, cls in parts.items() if cls is not None and issubclass(cls, Primitive)}
    found = {name for name, cls in ours.items() if any(looks_paired(cls, *example) for example in cls.examples())}
    assert found == {name for name, cls in ours.items() if cls.pairs}


def looks_paired(cls: type[Primitive], fields: dict[str, Any], features: tuple[Feature, ...]) -> bool:
    output = cls.read(fields, None).infer(*features)
    counts = {x.num_tokens for x in features}
    return bool(output.grid and set(output.grid) <= counts and output.grid not in {x.grid for x in features})
