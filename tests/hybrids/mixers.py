"""Draws mixers and mlps: every axis of the unified view, and every named form."""

from __future__ import annotations

from typing import Any

from tests.hybrids.pen import Pen, activation, init, norm
from vitdsl.features import Feature

FORMS = (
    "global",
    "subsampled",
    "lowrank",
    "reattention",
    "talking_heads",
    "refined",
    "depthwise",
    "performer",
    "windowed",
)
BY_MAPS = ("global", "subsampled", "lowrank", "reattention", "talking_heads", "windowed")


def mixer(pen: Pen, x: Feature, kinds: tuple[str, ...] = FORMS) -> dict[str, Any]:
    """A mixer that gives back what enters it."""
    fitting = [kind for kind in kinds if x.grid is not None or kind not in ("subsampled", "windowed")]
    kind = pen.pick(*[kind for kind in fitting if kind != "windowed" or not x.tokens])
    fields: dict[str, Any] = {"type": kind, **sizes(pen, x), **OWN.get(kind, lambda pen, x: {})(pen, x)}
    windowed = kind == "windowed"
    if not windowed and kind not in ("lowrank", "subsampled") and pen.chance(25):
        fields["bank"] = bank(pen, x)
    fields |= pen.some(12, {
        "qkv_bias": lambda: pen.pick(True, False, ["q", "v"], ["k"]), "dropout": lambda: 0.1, "init": lambda: init(pen),
    })  # fmt: skip
    if pen.chance(35):
        fields |= projected(pen, x, fields, kind)
    if pen.chance(35):
        fields["out"] = out(pen, x, fields)
    if kind != "performer":
        fields |= weighed(pen, x, fields, kind)
    return fields


def sizes(pen: Pen, x: Feature) -> dict[str, Any]:
    """Heads and their widths."""
    heads = pen.divisor(x.dim)
    return pen.pick(
        {"heads": heads}, {"heads": heads}, {"heads": heads}, {}, {"head_dim": x.dim // heads}, {"heads": 2, "head_dim": 4},
        {"heads": heads, "value_dim": 3}, {"heads": 3, "head_dim": 4, "value_dim": 5}, {"heads": heads, "dim": "$dim"},
        {"heads": "$(max(1, dim // dim))"},
    )  # fmt: skip


def _windowed(pen: Pen, x: Feature) -> dict[str, Any]:
    assert x.grid is not None
    if pen.chance(50):
        return {"windows": pen.number(2, 5), "fit": "pad", "shift": pen.pick(0, 1, [1, 0])}
    tiles = [size for size in (1, 2, 4, 8) if x.grid[0] % size == 0 and x.grid[1] % size == 0]
    return {"windows": pen.pick(*tiles), **pen.some(40, {"shift": lambda: 1})}


def _subsampled(pen: Pen, x: Feature) -> dict[str, Any]:
    assert x.grid is not None
    return {"stride": pen.pick(1, min(2, *x.grid)), **pen.some(40, {"norm": lambda: norm(pen, x)})}


OWN: dict[str, Any] = {
    "windowed": _windowed,
    "subsampled": _subsampled,
    "lowrank": lambda pen, x: {"rank": pen.number(1, 5), **pen.some(50, {"share": lambda: True})},
    "reattention": lambda pen, x: pen.some(40, {
        "norm": lambda: pen.pick("batch", "layer", "affine"), "mix_bias": lambda: False, "factor": lambda: 0.5,
    }),
    "talking_heads": lambda pen, x: pen.some(40, {"mix_bias": lambda: False}),
    "refined": lambda pen, x: pen.some(40, {
        "expand": lambda: 2, "window": lambda: pen.pick(1, 3), "factor": lambda: 0.5, "norm": lambda: "affine",
    }),
    "performer": lambda pen, x: pen.some(60, {"features": lambda: pen.number(1, 8)}),
}  # fmt: skip


def bank(pen: Pen, x: Feature) -> Any:
    """What the bank is before keys and values."""
    options: list[Any] = [
        [{"linear": {"dim": 3, "over": "tokens"}}],
        lambda: [{"norm": norm(pen, x)}],
        {"linear": {"dim": 10}},
        lambda: [{"body": [{"activation": activation(pen)}, "linear"]}],
    ]
    if x.grid is not None:
        options += [
            [{"conv": {"kernel": 3, "stride": 2, "groups": "$dim"}}, {"norm": "layer"}],
            {"pool": {"type": "mean", "kernel": 1}},
        ]
        options += [[{"conv": {"kernel": 1}}]]
    return pen.pick(*options)


def projected(pen: Pen, x: Feature, fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """What stands before the linear maps, or none of them."""
    plain = x.grid is not None and "bank" not in fields and kind not in ("lowrank", "subsampled")
    options: list[Any] = [lambda: {"projection": {"norm": norm(pen, Feature(12))}}]
    if kind != "lowrank":
        options += [
            {"projection": {"q": [{"norm": "layer"}]}},
            {"projection": {"k": "linear", "v": [{"linear": 6}, {"activation": "gelu"}]}},
        ]
    if plain:
        more = {"norm": lambda: norm(pen, x), "stride": lambda: {"k": 2, "v": 2}}
        options += [lambda: {"projection": {"conv": {"kernel": 3, **pen.some(40, more)}}}] * 2
    if set(fields) & {"head_dim", "value_dim", "bank"} or kind == "depthwise":
        return pen.pick(*options)
    return pen.pick(*options, {"query": "none"}, {"key": "none"}, {"value": "none"})


def out(pen: Pen, x: Feature, fields: dict[str, Any]) -> Any:
    """What follows the mixing."""
    options: list[Any] = [
        lambda: {"activation": activation(pen)},
        lambda: {"bias": False, "norm": norm(pen, x)},
        {"dropout": 0.1, "init": "zeros"},
        lambda: [{"linear": {"dim": x.dim}}, {"norm": norm(pen, x)}],
    ]
    if not set(fields) & {"head_dim", "value_dim"}:
        options += ["none", lambda: [{"activation": activation(pen)}]]
    return pen.pick(*options)


def weighed(pen: Pen, x: Feature, fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """The kernel: its activation, positions, and bodies over the maps."""
    made: dict[str, Any] = pen.some(12, {"scale": lambda: pen.pick(0.3, "$(dim ** -0.5)")})
    plain = not (set(fields) & {"bank", "projection"}) and kind not in ("lowrank", "subsampled")
    if pen.chance(60 if plain and x.grid is not None and not x.tokens else 25):
        grids = ("relative_bias", "offset_bias", "relative_2d") if plain and x.grid is not None and not x.tokens else ()
        place = pen.pick("on_keys", *grids, *grids)
        made["position"] = place if pen.chance(70) else {"type": place, "init": "zeros"}
    if kind == "depthwise":
        return made
    if kind == "global" and pen.chance(12) and not set(fields) & {"value_dim", "bank"}:
        return {**made, "kernel": "depthwise"}
    if pen.chance(30):
        made["activation"] = pen.pick("relu", "gelu", "layer", "batch", "none")
        made |= pen.some(60, {"normalize": lambda: pen.pick("tokens", "sqrt_tokens")})
    if kind in ("global", "windowed") and pen.chance(30):
        made["maps"] = pen.some(60, {"before": lambda: over_maps(pen), "after": lambda: over_maps(pen)})
    return made


def over_maps(pen: Pen) -> Any:
    """A body over attention maps."""
    return pen.pick(
        [{"linear": {"bias": False}}], {"norm": pen.pick("batch", "affine", "layer")}, [{"scale": 0.5}], [],
        {"residual": True, "conv": {"kernel": 3, "groups": "$dim"}}, [{"linear": {"dim": "$(2 * dim)"}}, {"linear": {"dim": "$(dim // 2)"}}],
    )  # fmt: skip


# ---------------------------------------------------------------- mlps


def mlp(pen: Pen, x: Feature) -> Any:
    """An mlp that gives back what enters it."""
    grid = x.grid is not None
    kind = pen.pick("mlp", "mlp", "mlp", "ghost", *(("leff", "inverted") * grid))
    if pen.chance(10) and kind == "mlp":
        return pen.pick("mlp", {})
    hidden = pen.pick({"ratio": pen.pick(1, 2, 0.5, 1.5)}, {"hidden": pen.pick(6, "$(dim + 2)")}, {"ratio": 2})
    fields: dict[str, Any] = {"type": kind, **hidden}
    if kind == "mlp" and pen.chance(15) and not x.count:
        return {
            **fields,
            "over": "tokens",
            **pen.some(30, {"bias": lambda: False, "activation": lambda: activation(pen)}),
        }
    fields |= pen.some(25, {
        "activation": lambda: pen.pick(activation(pen), "none"), "bias": lambda: False, "dim": lambda: "$dim",
        "norm": lambda: pen.pick("batch", "layer", {"hidden": "rms", "out": norm(pen, x)}, {"out": "batch"}),
        "dropout": lambda: pen.pick(0.1, {"hidden": 0.1}, {"out": 0.2}), "init": lambda: init(pen),
    })  # fmt: skip
    if kind == "leff":
        fields |= pen.some(30, {"kernel": lambda: pen.pick(1, 5, [3, 1])})
    elif kind == "inverted":
        fields |= pen.some(30, {"kernel": lambda: pen.pick(1, 5), "stride": lambda: 1})
    elif kind == "ghost":
        fields |= pen.some(50, {"copies": lambda: pen.number(1, 3)})
    elif pen.chance(25):
        inner: list[Any] = [{"activation": "relu"}, {"norm": "affine"}, {"scale": 0.5}, {"squeeze": 2}]
        fields["between"] = [pen.pick(*inner, *([{"conv": {"kernel": 3, "groups": "$dim"}}, "peg"] * grid))]
    return fields
