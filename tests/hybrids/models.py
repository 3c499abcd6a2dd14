"""Draws whole specs: stages, streams, heads, and specs that are wrong on purpose."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.hybrids.bodies import body, items
from tests.hybrids.mixers import mixer, mlp
from tests.hybrids.pen import Items, Pen, activation, init, norm, norm_body
from vitdsl.features import Feature

Spec = dict[str, Any]


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


# ---------------------------------------------------------------- stages


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


def two_streams(pen: Pen, image: Feature) -> tuple[list[Spec], Any]:
    """Two streams that exchange."""
    small, large = (
        Feature(8, (image.grid[0] // 4, image.grid[1] // 4), ("cls",)),
        Feature(pen.pick(8, 12), (image.grid[0] // 2, image.grid[1] // 2), ("cls",)),
    )
    stages: list[Spec] = [
        {
            "stream": "small",
            "from": "image",
            "tokenizer": {"type": "patch", "size": 4, "dim": small.dim},
            "tokens": ["cls"],
            "position": "learned",
        },
        {
            "stream": "large",
            "from": "image",
            "tokenizer": {"type": "patch", "size": 2, "dim": large.dim},
            "tokens": ["cls"],
        },
    ]
    pen.streams |= {"small": small, "large": large}
    pen.defines["exchange"] = {"args": ["asker", "other", "there", "back"], "body": [{"at": "$asker.cls", "body": [
        {"norm": "layer"}, {"linear": {"dim": "$there"}}, {"mixer": {"type": "cross", "heads": 2, "keys": ["self", "$other.grid"]}}, {"linear": {"dim": "$back"}},
    ]}]}  # fmt: skip
    over = {"use": "exchange", "asker": "small", "other": "large", "there": large.dim, "back": small.dim}
    back = {"use": "exchange", "asker": "large", "other": "small", "there": small.dim, "back": large.dim}
    block: Items = [{"at": "small", "body": body(pen, small, 1, 1)}, {"at": "large", "body": items(pen, large, 2)}, over, *pen.pick([], [back], [
        {"at": "small.cls", "mixer": {"type": "cross", "heads": 2, "keys": {"from": "large", "pre": "layer"}}},
    ], [{"at": "small.cls", "from": "large.cls", "linear": small.dim, "residual": True}])]  # fmt: skip
    stages.append({"depth": pen.number(1, 2), "block": block} if pen.chance(60) else {"body": block})
    outputs = {
        name: [{"from": name}, {"norm": "layer"}, {"pool": pen.pick("cls", "mean", "sequence")}, "classifier"]
        for name in ("small", "large")
    }
    only = {"from": pen.pick("small", "large"), "norm": "layer", "pool": "cls"}
    both = {
        "outputs": outputs,
        **pen.some(
            40,
            {
                "merge": lambda: pen.pick("mean", {"small": 0.3, "large": 0.7}, {"large": 1}),
                "training": lambda: pen.pick("same", ["small"], ["large", "small"]),
            },
        ),
    }
    return stages, pen.pick(both, both, only)


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


# ---------------------------------------------------------------- heads


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


# ---------------------------------------------------------------- wrong ones

WRONG: tuple[Any, ...] = (
    0, -1, 3, 7, 1.5, 10**12, "none", "nope", "all", "grid", "cls", "x", None, True, False, [], {}, [0], [3, 3], {"type": "layer"}, "$dim", "$(dim * 3)",
    "$nothing", "$(1 / 0)", "$index", {"kernel": 3}, [{"mlp": {}}], {"choose": [1, 2]}, "[", "a: b", {"from": "x"}, "gelu", [["x"]], 1e300, "$(",
)  # fmt: skip


def spoil(pen: Pen, tree: Spec) -> None:
    """Changes one place of a tree into something that is most often wrong."""
    places = list(_places(tree))
    holder, key = places[pen.number(0, len(places) - 1)]
    how = pen.pick("replace", "replace", "delete", "rename", "move", "twice")
    if how == "replace":
        holder[key] = copy.deepcopy(pen.pick(*WRONG))
    elif how == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(0, copy.deepcopy(holder[key]))
    elif how == "rename":
        holder[f"{key}s"] = holder.pop(key)
    else:
        other, place = places[pen.number(0, len(places) - 1)]
        other[place] = copy.deepcopy(holder[key])


def _places(node: Any) -> Any:
    """Every place of a tree: what holds it, and its key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield node, key
        yield from _places(value)
