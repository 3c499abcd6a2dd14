"""Draws layouts of several streams."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.hybrids.bodies import body, items
from tests.hybrids.pen import Items, Pen
from tests.hybrids.stages import Spec, head, position, stage, tokenizer
from vitdsl.features import Feature

EXCHANGE: Spec = {
    "args": ["asker", "other", "there", "back"],
    "body": [
        {
            "at": "$asker.cls",
            "body": [
                {"norm": "layer"},
                {"linear": {"dim": "$there"}},
                {"mixer": {"type": "cross", "heads": 2, "keys": ["self", "$other.grid"]}},
                {"linear": {"dim": "$back"}},
            ],
        }
    ],
}


def two_streams(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """Two streams that exchange."""
    small, large = (
        Feature(8, (image.grid[0] // 4, image.grid[1] // 4), ("cls",)),
        Feature(pen.pick(8, 12), (image.grid[0] // 2, image.grid[1] // 2), ("cls",)),
    )
    stages: list[Spec] = [
        {
            "stream": name,
            "from": "image",
            "tokenizer": {"type": "patch", "size": size, "dim": feature.dim},
            "tokens": ["cls"],
        }
        for name, size, feature in (("small", 4, small), ("large", 2, large))
    ]
    stages[0]["position"] = "learned"
    pen.streams |= {"small": small, "large": large}
    pen.defines["exchange"] = deepcopy(EXCHANGE)
    over = {"use": "exchange", "asker": "small", "other": "large", "there": large.dim, "back": small.dim}
    back = {"use": "exchange", "asker": "large", "other": "small", "there": small.dim, "back": large.dim}
    block: Items = [{"at": "small", "body": body(pen, small, 1, 1)}, {"at": "large", "body": items(pen, large, 2)}, over, *pen.pick([], [back], [
        {"at": "small.cls", "mixer": {"type": "cross", "heads": 2, "keys": {"from": "large", "pre": "layer"}}},
    ], [{"at": "small.cls", "from": "large.cls", "linear": small.dim, "residual": True}])]  # fmt: skip
    stages.append({"depth": pen.number(1, 2), "block": block} if pen.chance(60) else {"body": block})
    return stages, _outputs(pen)


def _outputs(pen: Pen) -> Any:
    """A head of two streams, or of one."""
    outputs = {
        name: [{"from": name}, {"norm": "layer"}, {"pool": pen.pick("cls", "mean", "sequence")}, "classifier"]
        for name in ("small", "large")
    }
    only = {"from": pen.pick("small", "large"), "norm": "layer", "pool": "cls"}
    more = {
        "merge": lambda: pen.pick("mean", {"small": 0.3, "large": 0.7}, {"large": 1}),
        "training": lambda: pen.pick("same", ["small"], ["large", "small"]),
    }
    both = {"outputs": outputs, **pen.some(40, more)}
    return pen.pick(both, both, only)


def latent(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """Learned tokens that ask the image."""
    made, y = tokenizer(pen, image)
    tokens = Feature(y.dim, count=pen.number(1, 4))
    pen.streams |= {"grid_stream": y}
    ask: Items = [
        {
            "mixer": {
                "type": "cross",
                "heads": pen.divisor(y.dim),
                "keys": pen.pick("grid_stream", ["self", "grid_stream"]),
            }
        }
    ]
    learned: Spec = {
        "stream": "latents",
        "from": "none",
        "tokens": {"count": tokens.count, "dim": tokens.dim, **pen.some(30, {"init": lambda: "ones"})},
    }
    learned["body"] = [*ask, *body(pen, tokens, 2)]
    learned |= pen.some(30, {"position": lambda: position(pen, tokens)})
    return [
        {"stream": "grid_stream", "tokenizer": made, **pen.some(40, {"body": lambda: body(pen, y, 2)})},
        learned,
    ], head(pen, tokens)


def history(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """A token of every layer is kept, and asked at the end."""
    first, y = stage(pen, image, ("cls",))
    if not y.tokens or first.get("depth", 1) == 0:
        first |= {"tokens": ["cls"]}
        y = Feature(y.dim, y.grid, ("cls",))
        first.pop("position", None)
        first.pop("depth", None), first.pop("block", None)
    rows = first.get("block") or first.setdefault("body", [])
    rows.append({"from": "cls", "write": "history[]"})
    last: Spec = {
        "stream": "history",
        "body": [
            {"at": "last", "mixer": {"type": "class", "heads": pen.divisor(y.dim), "keys": "all"}},
            {"at": "last", "mlp": {"ratio": 1}},
        ],
    }
    last |= pen.some(50, {"position": lambda: {"type": "learned", "init": "zeros"}, "norm": lambda: "layer"})
    return [first, last], {"from": "history", "norm": "layer", "pool": pen.pick("last", "first", "mean")}
