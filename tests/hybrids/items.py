"""Draws items that hold no bodies of items, and what is wired around them."""

from __future__ import annotations

from typing import Any

from tests.hybrids.mixers import mixer, mlp
from tests.hybrids.pen import Items, Pen, activation, followed, norm, norm_body
from vitdsl.features import Feature


def wiring(pen: Pen, x: Feature, level: int, often: int = 15) -> dict[str, Any]:
    """What stands around an item that keeps its shape."""
    return pen.some(often, {
        "pre": lambda: pen.pick("none", lambda: norm_body(pen, x), lambda: norm(pen, x)), "post": lambda: norm_body(pen, x),
        "residual": lambda: residual(pen, x), "layer_scale": lambda: pen.pick(0.1, 1e-5, "none"), "drop_path": lambda: drop(pen),
        "name": lambda: pen.name("n"), "write": lambda: remember(pen, x),
        "repeat": lambda: pen.pick(1, 2, 0, "$(1 + 1)"),
    })  # fmt: skip


def residual(pen: Pen, x: Feature) -> Any:
    """The residual form."""

    def shortcut() -> Any:
        return pen.pick(lambda: [{"norm": norm(pen, x)}], {"linear": {}}, [], [{"scale": 2}])

    return pen.pick(
        True, False, {"input": 0.5, "output": 2}, lambda: {"after": activation(pen)}, {"after": [{"norm": "layer"}]}, lambda: {"shortcut": shortcut()},
        {"output": "$(dim ** -0.5)"}, lambda: {"shortcut": shortcut(), "input": 2.0, "after": "relu"},
    )  # fmt: skip


def drop(pen: Pen) -> Any:
    """Stochastic depth of an item."""
    return pen.pick("none", 0.2, {"rate": 0.1}, {"at": 0.5}, {"rates": [0.1, 0.2]} if pen.index <= 2 else 0.1)


def remember(pen: Pen, x: Feature) -> str:
    """A stream that is written."""
    name = pen.name("memo")
    pen.streams[name] = x
    return name


def mixing(pen: Pen, x: Feature, level: int) -> Items:
    """A mixer, or several by class or bank."""
    if "cls" in x.tokens and pen.chance(30):
        return [{"mixer": {"type": "class", "heads": pen.divisor(x.dim)}, **wiring(pen, x, level, 5)}]
    others = [name for name, feature in pen.streams.items() if feature.dim == x.dim]
    if others and pen.chance(40):
        other = pen.pick(*others)
        keys = pen.pick(other, ["self", other], {"from": other, "pre": "layer"}, {"from": other}, [other])
        return [
            {
                "mixer": {"type": pen.pick("cross", "cross", "global"), "heads": pen.divisor(x.dim), "keys": keys},
                **wiring(pen, x, level, 5),
            }
        ]
    made = {"mixer": mixer(pen, x), **wiring(pen, x, level)}
    if pen.chance(15) and made["mixer"]["type"] not in ("lowrank",) and made.get("residual", True) is not False:
        made["residual"] = {"shortcut": pen.pick("value", "query")}
    return [made]


def channels(pen: Pen, x: Feature, level: int) -> Items:
    """An mlp."""
    return [{"mlp": mlp(pen, x), **wiring(pen, x, level)}]


def operator(pen: Pen, x: Feature, level: int) -> Items:
    """A plain operator that keeps the shape of any feature."""
    made = pen.pick(
        lambda: {"linear": pen.pick({}, lambda: {"bias": False, **followed(pen, x)}, x.dim)}, lambda: {"norm": norm(pen, x)},
        lambda: {"activation": activation(pen)}, {"scale": 0.5}, {"scale": {"value": "$(dim ** -0.5)"}}, {"dropout": 0.1}, {"dropout": 0.3},
        {"dropout": {"rate": 0.2}}, lambda: {"point": pen.name("here")}, {"squeeze": 2}, {"norm": "none"},
        {"squeeze": {"reduction": 4, "bias": True, "gate": "hardswish"}}, {"squeeze": {}}, "linear", "norm", "squeeze", {"activation": {}},
    )  # fmt: skip
    return [made] if isinstance(made, str) else [{**made, **pen.some(8, {
        "residual": lambda: pen.pick(True, residual(pen, x)), "pre": lambda: norm_body(pen, x), "post": lambda: norm_body(pen, x),
        "layer_scale": lambda: 0.1, "drop_path": lambda: drop(pen), "write": lambda: remember(pen, x), "name": lambda: pen.name("n"),
    })}]  # fmt: skip


def on_grid(pen: Pen, x: Feature, level: int) -> Items:
    """A grid operator that keeps the grid; extra tokens pass by."""
    assert x.grid is not None
    conv: dict[str, Any] = pen.pick(
        {"kernel": 3}, {"kernel": [1, 3]}, {"kernel": 3, "groups": "$dim"}, {"kernel": 3, "padding": "same"}, {"kernel": 1, "init": "fan_out"},
        {"kernel": 3, "dilation": 2, "padding": 2}, lambda: {"kernel": 3, "groups": pen.divisor(x.dim), "bias": False, **followed(pen, x)},
        lambda: dynamic(pen), lambda: dynamic(pen),
    )  # fmt: skip
    made: dict[str, Any] = pen.pick(
        {"conv": conv}, {"conv": conv}, {"conv": conv}, {"pool": {"type": "mean", "kernel": 3, "stride": 1}}, {"pool": {"type": "max", "kernel": 3, "stride": 1}},
        {"peg": 3}, {"peg": {"kernel": 5, "bias": False}}, {"peg": {}}, {"resize": list(x.grid)}, {"resize": {"scale": 1.0, "mode": "nearest"}},
        {"resize": {"size": list(x.grid), "mode": "bicubic"}},
    )  # fmt: skip
    more = pen.some(12, {
        "residual": lambda: pen.pick(True, residual(pen, x)), "pre": lambda: norm_body(pen, x), "post": lambda: norm_body(pen, x), "layer_scale": lambda: 0.5,
    })  # fmt: skip
    if pen.chance(15) and not x.tokens:
        more["windows"] = windows(pen, x)
    return [made | more]


def dynamic(pen: Pen) -> dict[str, Any]:
    """A convolution whose kernels the image makes."""
    kernels = pen.pick(
        {"count": 2},
        {"by": "image"},
        {"by": "position", "groups": 2},
        {"by": "position"},
        {"count": 3, "temperature": 2.0},
    )
    more = pen.some(30, {"reduction": lambda: 2, "extra": lambda: 1})
    return {
        "kernel": 3,
        "kernels": kernels | more,
        **pen.some(20, {"norm": lambda: "batch", "activation": lambda: "relu", "bias": lambda: False}),
    }


def windows(pen: Pen, x: Feature) -> Any:
    """Windows of an item."""
    assert x.grid is not None
    tiles = [size for size in (1, 2, 4, 8) if x.grid[0] % size == 0 and x.grid[1] % size == 0]
    return pen.pick(
        pen.pick(*tiles),
        {"size": pen.pick(*tiles), "shift": 1},
        {"size": pen.number(2, 5), "fit": "pad"},
        {"size": 3, "fit": "pad", "shift": [1, 2]},
    )


def there_and_back(pen: Pen, x: Feature, level: int) -> Items:
    """Another width or grid, and the way back."""
    heads = pen.divisor(x.dim)
    pairs: list[Any] = [
        [{"linear": "$(2 * dim)"}, {"linear": {"dim": "$(dim // 2)"}}],
        lambda: [
            {"linear": {"dim": 10, **followed(pen, Feature(10))}},
            *pen.pick([{"norm": "rms"}], []),
            {"linear": x.dim},
        ],
        [{"parallel": [[], [{"linear": 6}]], "merge": "concat"}, {"linear": {"dim": x.dim}}],
        [{"mixer": {"type": "global", "heads": heads, "dim": 6}, "residual": False, "pre": "layer"}, {"linear": x.dim}],
        [{"mlp": {"dim": 8, "ratio": 1}, "residual": {"shortcut": [{"linear": 8}]}}, {"linear": x.dim}],
    ]
    if x.grid is not None:
        pairs += [[{"conv": {"dim": 9, "kernel": 3}}, {"conv": {"dim": x.dim, "kernel": 1}}]]
    if x.grid is not None and not x.tokens and x.grid[0] % 2 == 0 and x.grid[1] % 2 == 0:
        back = {"resize": {"scale": 2.0, "mode": pen.pick("bilinear", "nearest")}}
        thin = {
            "type": "global",
            "query": {"stride": 2},
            "heads": heads,
            **pen.some(40, {"position": lambda: "offset_bias"}),
        }
        pairs += [
            [{"unfold": 2}, {"linear": 4 * x.dim}, {"fold": 2}], [{"unfold": {"kernel": 2}}, {"linear": 4 * x.dim}, {"fold": {"kernel": 2}}],
            [{"unfold": {"kernel": 3, "stride": 1}}, {"linear": x.dim}], [{"pool": {"type": "max", "kernel": 2}}, back],
            [{"mixer": thin, "residual": {"shortcut": [{"pool": {"type": "mean", "kernel": 2}}]}}, back],
            [{"mixer": thin, "residual": False}, back],
            [{"mlp": {"type": "inverted", "stride": 2}, "residual": False}, back], [{"pool": {"type": "mean", "kernel": 3, "stride": 2}}, back],
            [{"conv": {"kernel": 3, "stride": 2, "padding": "same"}}, back], [{"conv": {"kernel": 3, "stride": 2}}, back],
            [{"windows": 2, "conv": {"kernel": 2, "stride": 2}}, back], [{"unfold": {"kernel": 3, "stride": 1, "padding": "same"}}, {"linear": x.dim}],
        ]  # fmt: skip
    return pen.pick(*pairs)


def maps_carried(pen: Pen, x: Feature, level: int) -> Items:
    """Maps that one mixer writes and another takes, or adds."""
    heads, name = pen.divisor(x.dim), pen.name("maps")
    maker = {
        "mixer": {
            "type": "global",
            "heads": heads,
            "maps": {"after": [*pen.pick([], [{"linear": {}}]), {"write": name}]},
        }
    }
    taker = pen.pick(
        {"mixer": {"type": pen.pick("global", "reattention", "refined"), "heads": heads, "maps": {"from": name}}},
        {"mixer": {"type": "global", "heads": heads, "maps": {pen.pick("before", "after"): [{"from": name, "scale": 0.5, "residual": True}]}}},
    )  # fmt: skip
    return [maker, *(channels(pen, x, level) if pen.chance(50) else []), taker]
