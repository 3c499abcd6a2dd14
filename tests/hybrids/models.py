"""Draws whole specs, most of them valid."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.hybrids.bodies import body
from tests.hybrids.pen import Pen
from tests.hybrids.stages import Spec, head, stage
from tests.hybrids.streams import history, latent, two_streams
from tests.hybrids.wrong import spoil
from vitdsl.features import Feature


def specs() -> st.SearchStrategy[Spec]:
    """Specs, most often valid ones; each is drawn out of one number, so that all choices are equally likely."""
    return st.integers(0, 2**24 - 1).map(drawn)


def drawn(number: int) -> Spec:
    """The spec of a number."""
    pen = Pen(Random(number))
    tree = model(pen)
    if pen.chance(15):
        for _ in range(pen.number(1, 2)):
            spoil(pen, tree)
    return tree


def model(pen: Pen) -> Spec:
    """A valid spec, as far as is cheap to know."""
    size = pen.pick(16, 16, 16, 12, [16, 12])
    high, wide = size if isinstance(size, list) else (size, size)
    image = Feature(3, (high, wide))
    layouts = (isotropic, isotropic, pyramid, pyramid, two_streams, latent, history)
    stages, head = layouts[pen.number(0, len(layouts) - 1)](pen, image)
    tree: Spec = {"input": {"size": size, "channels": 3}, "classes": pen.pick(5, 5, 5, 7, 0), "stages": stages}
    if head is not None:
        tree["head"] = head
    if pen.defines:
        tree["define"] = pen.defines
    tree |= pen.some(
        20,
        {
            "defaults": lambda: defaults(pen),
            "drop_path": lambda: drop_path(pen, len(stages)),
            "init": lambda: {pen.pick("linear", "conv", "norm"): 0.1},
        },
    )
    return tree


def defaults(pen: Pen) -> Spec:
    """Defaults of families and of wiring."""
    return pen.pick(
        {"norm": {"type": "layer", "eps": 1e-5}}, {"norm": "rms"}, {"mixer": {"qkv_bias": False}}, {"layer_scale": 0.1}, {"mlp": {"ratio": 2}},
        {"residual": {"input": 0.5, "output": 2}}, {"pre": "affine"}, {"activation": "relu"}, {"conv": {"bias": False}}, {"drop_path": 0.1},
        {"norm": {"type": "batch"}, "mlp": {"activation": "relu"}}, {"post": "layer"}, {"linear": {"bias": False}}, {"classifier": {"bias": False}},
    )  # fmt: skip


def drop_path(pen: Pen, stages: int) -> Any:
    """Stochastic depth of the model."""
    return pen.pick(
        0.2,
        {"rate": 0.1},
        {"rate": 0.1, "schedule": "constant"},
        {"rate": 0.3, "ends": "open"},
        {"rate": [0.1] * stages, "schedule": "per_stage"},
        "none",
    )


def isotropic(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """One stage, perhaps a second one of its tokens."""
    first, y = stage(pen, image, pen.pick((), ("cls",), ("cls", "dist"), ("cls",)))
    stages = [first]
    if pen.chance(25):
        extra = pen.pick([{"tokens": ["late"]}, Feature(y.dim, y.grid, ("late", *y.tokens))], [{}, y])
        second, y = {"body": body(pen, extra[1], 2), **extra[0]}, extra[1]
        stages.append(second)
    if pen.chance(10):
        pen.defines["whole"] = {
            "args": ["ratio"],
            "stage": {"block": [{"mlp": {"ratio": "$ratio"}}], "depth": 1, "norm": "layer"},
        }
        stages.append({"use": "whole", "ratio": pen.number(1, 2)})
    return stages, head(pen, y)


def pyramid(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """Two or three stages, each with a smaller grid."""
    y, stages = image, []
    for _ in range(pen.number(2, 3)):
        if y.grid is None or min(y.grid) < 3:
            break
        drawn, y = stage(pen, y, pen.pick((), (), ("cls",)))
        stages.append(drawn)
    return stages, head(pen, y)
