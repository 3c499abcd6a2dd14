"""Draws items and bodies: every role, and every way of wiring one."""

from __future__ import annotations

from typing import Any

from tests.hybrids.mixers import mixer, mlp
from tests.hybrids.pen import Items, Pen, activation, followed, norm, norm_body
from vitdsl.features import Feature

Drawn = tuple[Items, Feature]


def body(pen: Pen, x: Feature, most: int, level: int = 0) -> Items:
    """Items that give back what enters them."""
    found: Items = []
    for _ in range(pen.number(1, most)):
        found += items(pen, x, level)
    return found


def items(pen: Pen, x: Feature, level: int) -> Items:
    """An item, or a few that belong together, that give back what enters them."""
    grid = x.grid is not None
    nested = (repeated, residual_body, parallel, used, block) if level < 2 else ()
    partly = (at_part,) if x.tokens or x.count or grid else ()
    kinds = (
        mixing,
        mixing,
        channels,
        channels,
        operator,
        memory,
        there_and_back,
        maps_carried,
        *partly,
        *nested,
        *((on_grid, on_grid, there_and_back) * grid),
        *((in_windows,) * (grid and level < 2)),
    )
    return kinds[pen.number(0, len(kinds) - 1)](pen, x, level)


# ---------------------------------------------------------------- wiring


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


# ---------------------------------------------------------------- plain items


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


# ---------------------------------------------------------------- several items


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


def memory(pen: Pen, x: Feature, level: int) -> Items:
    """What was written is read again."""
    same = [name for name, feature in pen.streams.items() if feature == x]
    if not same or pen.chance(35):
        return [{"write": remember(pen, x)}]
    name = pen.pick(*same)
    return pen.pick(
        [{"from": name}], [{"from": name, "scale": 0.5, "residual": True}], lambda: [{"from": name, "write": remember(pen, x)}],
        [{"from": name, "linear": {}, "residual": {"input": 0.5}}],
        lambda: [{"from": name, "body": body(pen, x, 1, 2), "residual": True, "pre": "layer"}],
        lambda: [{"parallel": [[], [{"from": name}]], "merge": pen.pick("add", "mean", "multiply")}],
        [{"at": name, "body": [{"norm": "layer"}, "linear"]}], [{"at": name, "mlp": {"ratio": 1}}],
        lambda: [{"at": name, "scale": 0.5, "write": remember(pen, x)}],
    )  # fmt: skip


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


def at_part(pen: Pen, x: Feature, level: int) -> Items:
    """Something at a part of the feature."""
    parts: list[tuple[Any, Feature]] = [
        ("first", Feature(x.dim, count=1)),
        ("last", Feature(x.dim, count=1)),
        (0, Feature(x.dim, count=1)),
        ("all", x),
    ]
    if x.grid is not None:
        parts += [("grid", x.grid_only)] * 3
    if x.tokens:
        parts += [("tokens", Feature(x.dim, None, x.tokens)), (x.tokens[0], Feature(x.dim, None, x.tokens[:1]))] * 2
        parts += (
            [([x.tokens[0], "grid"], Feature(x.dim, count=x.num_tokens))]
            if x.grid is not None and len(x.tokens) == 1
            else []
        )
    at, part = pen.pick(*parts)
    windowed = part.grid is not None and at == "grid" and pen.chance(40)
    held: Items = [{"body": body(pen, part, 2, level + 1)}] if level < 2 and pen.chance(25) else []
    if not held:
        held = (operator, channels, mixing)[pen.number(0, 2)](pen, part, 2)
    item = held[0] if isinstance(held[0], dict) else {held[0]: {}}
    if "at" in item or "class" in str(item) or (windowed and "body" in item):
        return [item] if "at" not in item else [{"at": at, "linear": {}}]
    if windowed and "mixer" in item:
        item = {"mixer": {"type": "global", "heads": pen.divisor(x.dim)}, "windows": windows(pen, part)}
    return [{"at": at, **{key: value for key, value in item.items() if key != "write"}}]


# ---------------------------------------------------------------- bodies


def repeated(pen: Pen, x: Feature, level: int) -> Items:
    """A body several times."""
    count, before = pen.number(1, 2), pen.index
    pen.index = max(count, before)
    inner = body(pen, x, 2, level + 1)
    pen.index = before
    extra = pen.pick(
        [],
        [{"scale": "$(1 + index)"}],
        [{"mlp": {"ratio": "$(1 + index)"}}],
        [{"repeat": 2, "mlp": {"ratio": "$(1 + index + index_1)"}}],
    )
    return [{"repeat": count, "body": [*inner, *extra], **pen.some(10, {"name": lambda: pen.name("loop")})}]


def residual_body(pen: Pen, x: Feature, level: int) -> Items:
    """A body in one residual branch."""
    return [
        {
            "residual": pen.pick(True, residual(pen, x)),
            "body": body(pen, x, 2, level + 1),
            **wiring(pen, x, 2, 10),
            **pen.some(30, {"pre": lambda: norm(pen, x)}),
        }
    ]


def in_windows(pen: Pen, x: Feature, level: int) -> Items:
    """A body that runs in windows of the grid; the streams outside of them are not there."""
    assert x.grid is not None
    tiles = [size for size in (2, 4) if x.grid[0] % size == 0 and x.grid[1] % size == 0 and size < min(x.grid)]
    opened: Any = pen.pick(*tiles, {"size": 3, "fit": "pad"}, {"size": 2, "fit": "pad", "shift": 1})
    size = opened if isinstance(opened, int) else opened["size"]
    outside, pen.streams = pen.streams, {}
    inner = body(pen, Feature(x.dim, (min(size, x.grid[0]), min(size, x.grid[1]))), 2, level + 1)
    pen.streams = outside
    return [
        {
            **({"at": "grid"} if x.tokens else {}),
            "windows": opened,
            "body": inner,
            **pen.some(30, {"residual": lambda: True, "pre": lambda: norm(pen, x)}),
        }
    ]


def parallel(pen: Pen, x: Feature, level: int) -> Items:
    """Bodies side by side."""
    merge = pen.pick("add", "mean", "multiply", "concat")
    branches: list[Any] = [body(pen, x, 1, level + 1) for _ in range(pen.number(1, 2))]
    branches += pen.pick(
        [], [[]], [[{"pool": {"type": "mean", "over": "all"}}]] if merge != "concat" else [], [{"linear": {}}]
    )
    made: dict[str, Any] = {"parallel": branches, **({} if merge == "add" and pen.chance(50) else {"merge": merge})}
    if merge != "concat":
        return [
            {
                **made,
                **pen.some(20, {"residual": lambda: True, "pre": lambda: norm(pen, x), "drop_path": lambda: drop(pen)}),
            }
        ]
    return [made, {"linear": x.dim}]


def block(pen: Pen, x: Feature, level: int) -> Items:
    """A body in place, perhaps named."""
    return [
        {
            "body": body(pen, x, 2, level + 1),
            **pen.some(20, {"name": lambda: pen.name("b"), "drop_path": lambda: drop(pen)}),
        }
    ]


def used(pen: Pen, x: Feature, level: int) -> Items:
    """A define, used."""
    heads = pen.divisor(x.dim)
    plain = pen.defines.setdefault("plain", {"args": ["heads"], "optional": {"ratio": 2, "act": "gelu"}, "body": [
        {"mixer": {"type": "global", "heads": "$heads"}}, {"mlp": {"ratio": "$ratio", "activation": "$act"}},
    ]})  # fmt: skip
    wrap = {
        "args": ["inner"],
        "optional": {"around": True, "normed": "layer"},
        "body": [{"residual": "$around", "pre": "$normed", "body": "$inner"}],
    }
    twice = {
        "args": ["count"],
        "body": [
            {"use": "plain", "heads": "$(min(count, 1))", "ratio": "$(count / 2)"},
            {"repeat": "$count", "use": "plain", "heads": 1},
        ],
    }
    mixed = {"args": ["what"], "optional": {"where": "all"}, "body": {"at": "$where", "mixer": "$what"}}
    assert plain
    pen.defines |= {"wrap": wrap, "twice": twice, "mixed": mixed}
    options: list[Any] = [
        lambda: {
            "use": "plain",
            "heads": heads,
            **pen.some(40, {"ratio": lambda: "$(16 / dim)", "act": lambda: activation(pen)}),
        },
        lambda: {
            "use": "wrap",
            "inner": body(pen, x, 2, 2),
            **pen.some(30, {"around": lambda: {"output": 0.5}, "normed": lambda: norm(pen, x)}),
        },
        {"use": "twice", "count": 1},
        {"use": "twice", "count": 2},
        lambda: {"use": "mixed", "what": mixer(pen, x), **pen.some(30, {"where": lambda: "all"})},
    ]
    return [
        pen.pick(*options)
        | pen.some(
            10,
            {"repeat": lambda: 2, "residual": lambda: True, "name": lambda: pen.name("u"), "pre": lambda: norm(pen, x)},
        )
    ]
