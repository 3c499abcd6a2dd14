"""Draws stages and heads."""

from __future__ import annotations

from typing import Any

from tests.hybrids.bodies import body
from tests.hybrids.mixers import mixer, mlp
from tests.hybrids.pen import Pen, activation, init, norm, norm_body
from vitdsl.features import Feature

Spec = dict[str, Any]


def tokenizer(pen: Pen, x: Feature) -> tuple[Any, Feature]:
    """Tokens out of an image or of a grid, and what they are."""
    assert x.grid is not None
    dim, image = pen.pick(8, 12, 16), x.dim == 3
    step = pen.pick(4, 4, 2) if image else 2
    high, wide = -(-x.grid[0] // step), -(-x.grid[1] // step)
    y = Feature(dim, (high, wide))
    kinds: list[Any] = [
        lambda: {"conv": {"dim": dim, "kernel": step + 1, "stride": step, **pen.some(30, {"norm": lambda: norm(pen, y)})}},
        {"type": "soft_split", "kernel": 3 if step == 2 else 5, "stride": step, "dim": dim},
        [{"conv": {"dim": 6, "kernel": 3, "norm": "batch", "activation": "relu"}}, {"pool": {"type": "max", "kernel": 3, "stride": step}}, {"linear": dim}],
        lambda: [{"resize": [high, wide]}, {"conv": {"dim": dim, "kernel": 3}}, *pen.pick([], ["peg"])],
        lambda: [{"resize": pen.pick("image", {"size": "image", "mode": "nearest"})}, {"resize": [high, wide]}, {"linear": dim}],
        lambda: {"type": "conv_stem", "channels": [6, dim], "kernel": 3, "stride": [step, 1], **pen.some(40, {
            "norm": lambda: "batch", "activation": lambda: activation(pen), "last": lambda: pen.pick("norm", "plain"), "bias": lambda: True})},
    ]  # fmt: skip
    if x.grid[0] % step == 0 and x.grid[1] % step == 0:
        more = {"norm": lambda: norm(pen, y), "bias": lambda: False, "init": lambda: init(pen)}
        kinds += [lambda: {"type": "patch", "size": step, "dim": dim, **pen.some(25, more)}] * 3
        kinds += [lambda: {"type": "merge", "dim": dim, "kernel": step, **pen.some(30, {"norm": lambda: "rms"})}] * 2
        kinds += [
            [{"unfold": {"kernel": step}}, {"linear": dim}],
            [{"windows": step, "conv": {"dim": dim, "kernel": step, "stride": step}}],
        ]
        kinds += [
            {"conv": {"dim": dim, "kernel": step, "stride": step}},
            [{"resize": {"scale": 1 / step}}, {"conv": {"dim": dim, "kernel": 1}}],
        ]
    return pen.pick(*kinds), y


def position(pen: Pen, x: Feature) -> Any:
    """A position for a feature."""
    kinds: list[Any] = ["learned", "sinusoid", {"type": "learned", "init": "zeros"}, [{"norm": "layer"}]]
    if x.grid is not None:
        kinds += ["peg", {"type": "learned", "over": "grid"}, {"type": "sinusoid", "over": "grid"}]
    if x.grid is not None and x.dim % 4 == 0:
        kinds += ["sincos2d"]
    if x.grid is not None and not x.tokens and x.grid[0] % 2 == x.grid[1] % 2 == 0:
        kinds += [{"type": "learned", "windows": 2}]
    return pen.pick(*kinds)


def stage(pen: Pen, x: Feature, tokens: tuple[str, ...], stream: str = "x") -> tuple[Spec, Feature]:
    """A stage that tokenizes."""
    made, y = tokenizer(pen, x.grid_only)
    drawn: Spec = {"tokenizer": made}
    if x.tokens:
        carry = pen.pick("none", [{"linear": y.dim}])
        drawn["carry"] = carry
        y = Feature(y.dim, y.grid, () if carry == "none" else x.tokens)
    tokens = tuple(name for name in tokens if name not in y.tokens)
    if tokens and pen.chance(70):
        drawn["tokens"] = list(tokens)
        y = Feature(y.dim, y.grid, (*tokens, *y.tokens))
    drawn |= pen.some(35, {"position": lambda: position(pen, y), "norm": lambda: norm_body(pen, y)})
    filled(pen, drawn, y)
    return drawn, y


def filled(pen: Pen, drawn: Spec, y: Feature) -> None:
    """A body or a block of a stage."""
    if pen.chance(50):
        drawn["depth"], pen.index = pen.pick(1, 2, 1, 0), 2
        drawn["block"] = pen.pick(
            *[lambda: body(pen, y, 2)] * 2, lambda: [{"mixer": mixer(pen, y)}, {"mlp": mlp(pen, y)}]
        )
        pen.index = 0
    elif pen.chance(85):
        drawn["body"] = body(pen, y, 3)
    drawn |= pen.some(8, {"name": lambda: pen.name("s"), "drop_path": lambda: pen.pick("none", 0.1)})


def head(pen: Pen, x: Feature) -> Any:
    """What becomes of the last stream."""
    pools = ["mean", "max", "sequence", {"type": "mean", "over": "all"}, "first", *x.tokens]
    pool = pen.pick(*pools, *x.tokens)
    options: list[Any] = [lambda: {"norm": norm_body(pen, x), "pool": pool}] * 2
    options += [
        {"pool": pool, "bias": False},
        [{"pool": pool}, "classifier"],
        lambda: [{"norm": norm(pen, x)}, {"pool": pool}, {"linear": 4}],
    ]
    options += [lambda: {"outputs": {"a": [{"pool": pool}, "classifier"], "b": [{"classifier": {}}, {"pool": {"type": "max", "over": "all"}}]}, **pen.some(40, {
        "merge": lambda: pen.pick("mean", {"a": 1, "b": 0.5}, {"a": 1.0}), "training": lambda: pen.pick("same", ["b"], ["a", "b"])})}]  # fmt: skip
    if len(x.tokens) == 2:
        options += [
            {"norm": "layer", "pool": list(x.tokens)},
            {"pool": list(x.tokens)},
            {"pool": {"type": "mean", "over": list(x.tokens)}},
        ] * 3
    if x.grid is not None:
        options += [
            None,
            {"norm": "layer", "layout": "tokens"},
            {
                "body": [{"conv": {"dim": 4, "kernel": 1}}, {"write": "seen"}, {"pool": "mean"}],
                "training": ["seen", "logits"],
            },
        ]
    return pen.pick(*options)
